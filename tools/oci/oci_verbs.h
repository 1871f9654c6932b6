/*
 * tools/oci/oci_verbs.h - the verbs of `limpet oci`; argv[0] is the verb, the result the exit status.
 */
#ifndef LP_TOOLS_OCI_VERBS_H
#define LP_TOOLS_OCI_VERBS_H

int lp_oci_create_main(int argc, char **argv);
int lp_oci_run_main(int argc, char **argv);
int lp_oci_start_main(int argc, char **argv);
int lp_oci_exec_main(int argc, char **argv);
int lp_oci_kill_main(int argc, char **argv);
int lp_oci_pause_main(int argc, char **argv);
int lp_oci_resume_main(int argc, char **argv);
int lp_oci_delete_main(int argc, char **argv);
int lp_oci_list_main(int argc, char **argv);
int lp_oci_state_main(int argc, char **argv);
int lp_oci_ps_main(int argc, char **argv);
int lp_oci_update_main(int argc, char **argv);
int lp_oci_events_main(int argc, char **argv);
int lp_oci_features_main(int argc, char **argv);
int lp_oci_spec_main(int argc, char **argv);

#endif

/*
 * tools/verbs/all.h - the run functions of the rows in verbs.c, one file each.
 */
#ifndef LP_TOOLS_VERBS_ALL_H
#define LP_TOOLS_VERBS_ALL_H

int lp_get_run(int argc, char **argv);
int lp_describe_run(int argc, char **argv);
int lp_apply_run(int argc, char **argv);
int lp_create_run(int argc, char **argv);
int lp_delete_run(int argc, char **argv);
int lp_logs_run(int argc, char **argv);
int lp_command_exec(int argc, char **argv);
int lp_run_run(int argc, char **argv);
int lp_expose_run(int argc, char **argv);
int lp_label_run(int argc, char **argv);
int lp_label_annotate(int argc, char **argv);
int lp_taint_run(int argc, char **argv);
int lp_taint_cordon(int argc, char **argv);
int lp_taint_uncordon(int argc, char **argv);
int lp_wait_run(int argc, char **argv);
int lp_info_cluster(int argc, char **argv);
int lp_info_version(int argc, char **argv);
int lp_info_resources(int argc, char **argv);
int lp_token_run(int argc, char **argv);
int lp_image_run(int argc, char **argv);
int lp_node_run(int argc, char **argv);
int lp_top_run(int argc, char **argv);

#endif

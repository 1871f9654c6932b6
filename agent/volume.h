/*
 * agent/volume.h - the volumes of a pod: where each one is, and the files that ConfigMaps, Secrets and the pod itself put there.
 *
 * Shape   HOST: a path of the node that the manifest names; DISK: <data>/pods/<uid>/volumes/<name>, an emptyDir;
 *         MEMORY and FILES: a tmpfs in the pod's own directory, "volumes/<name>" (keeper/control.h), never on disk
 * Update  as the kubelet's: files live in a dated directory, `..data` links to it, each name links into `..data`;
 *         a rename of `..data` changes all of them at once
 * Errors  -ENOENT with the kubelet's words ("configmap \"x\" not found", "references non-existent config key: k"),
 *         -EINVAL a path that tries to leave, -EOPNOTSUPP a kind of volume that limpet does not have
 */
#ifndef LP_AGENT_VOLUME_H
#define LP_AGENT_VOLUME_H

#include <stdint.h>

#include "agent/facts.h"
#include "base/arena.h"
#include "base/err.h"
#include "specs/kinds.h"

enum lp_volume_kind { LP_VOLUME_HOST, LP_VOLUME_DISK, LP_VOLUME_MEMORY, LP_VOLUME_FILES };

struct lp_volume {
	const char *name;
	enum lp_volume_kind kind;
	const char *path;		/* HOST, DISK: absolute; MEMORY, FILES: "volumes/<name>" of the pod's directory */
	const char *host_type;		/* HOST: "", Directory, DirectoryOrCreate, File, FileOrCreate, Socket, CharDevice, BlockDevice */
	uint64_t size_bytes;		/* MEMORY: 0 = default */
	const struct lp_spec_volume *spec;
};

struct lp_volume_file {
	const char *path;		/* below the volume, "a/b" at most */
	const void *data;
	size_t len;
	uint32_t mode;
};

/* Pure: what and where. */
int lp_volume_read(struct lp_arena *arena, const struct lp_spec_volume *spec, const char *pod_path, struct lp_volume *out, struct lp_err *err);

/* Pure: the files of a FILES volume. Missing optional sources are empty. */
int lp_volume_files(struct lp_arena *arena, const struct lp_volume *volume, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_facts *facts, struct lp_volume_file **out, size_t *out_count, struct lp_err *err);

/* Make the directory of an emptyDir below pod_fd (<data>/pods/<uid>), check or make what a hostPath asks for. */
int lp_volume_prepare(int pod_fd, const struct lp_volume *volume, struct lp_err *err);

/*
 * Put files into "volumes/<name>" below dir_fd (the pod's directory), all at once; what is the same is left alone.
 * owner: uid and gid the files get (0, or the first id of the pod's user namespace).
 */
int lp_volume_write(int dir_fd, const char *name, const struct lp_volume_file *files, size_t count, uint32_t owner, struct lp_err *err);

/* Can everything at and below a host path be shifted by an idmapped mount? */
bool lp_volume_may_shift(const char *path, bool tmpfs_idmap);

#endif

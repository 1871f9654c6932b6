/*
 * agent/volume/volume.h - the volumes of a pod: where each one is, and the files that ConfigMaps, Secrets and the pod itself put there.
 *
 * Shape   HOST: a path of the node that the manifest or its PersistentVolume names; DISK: <data>/pods/<uid>/volumes/<name>, an emptyDir;
 *         MADE: <data>/volumes/<uid of the claim>, which outlives pods; MEMORY and FILES: a tmpfs in the pod's own directory,
 *         "volumes/<name>" (keeper/control.h), never on disk
 * Update  as the kubelet's: files live in a dated directory, `..data` links to it, each name links into `..data`;
 *         a rename of `..data` changes all of them at once
 * Errors  -ENOENT with the kubelet's words ("configmap \"x\" not found", "references non-existent config key: k"),
 *         -EINVAL a path that tries to leave, -EOPNOTSUPP a kind of volume that limpet does not have
 */
#ifndef LP_AGENT_VOLUME_H
#define LP_AGENT_VOLUME_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/facts/facts.h"
#include "base/arena.h"
#include "base/err.h"
#include "specs/kinds.h"

/* What control/claims.c of the manager calls the volumes that a node makes by itself. */
#define LP_VOLUME_DRIVER "local.limpet.dev"

enum lp_volume_kind {
	LP_VOLUME_HOST,			/* a path of the node */
	LP_VOLUME_DISK,			/* emptyDir */
	LP_VOLUME_MEMORY,		/* emptyDir, medium Memory */
	LP_VOLUME_FILES,		/* ConfigMaps, Secrets, downward API */
	LP_VOLUME_MADE,			/* a directory that we made for a claim */
	LP_VOLUME_NFS,
};

struct lp_volume {
	const char *name;
	enum lp_volume_kind kind;
	const char *path;		/* absolute; MEMORY, FILES: "volumes/<name>" of the pod's directory */
	const char *host_type;		/* HOST: "", Directory, DirectoryOrCreate, File, FileOrCreate, Socket, CharDevice, BlockDevice */
	bool must_exist;		/* HOST: a local volume is never made */
	const char *root, *below;	/* HOST under a ceiling: the listed path, and what lies beneath it; NULL: path, as it is */
	bool read_only;			/* the volume or the claim says so */
	bool group;			/* fsGroup holds for it */
	uint64_t size_bytes;		/* MEMORY: of the tmpfs; DISK: evicted above; 0: default, none */
	const char *handle;		/* MADE: its name below <data>/volumes */
	const char *server, *export;	/* NFS */
	const struct lp_json *options;	/* mountOptions, strings; NULL */
	const struct lp_spec_volume *spec;
};

struct lp_volume_file {
	const char *path;		/* below the volume, "a/b" at most */
	const void *data;
	size_t len;
	uint32_t mode;
};

/* Pure: what and where. -EAGAIN: a claim that is not bound yet. */
int lp_volume_read(struct lp_arena *arena, const struct lp_spec_volume *spec, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_volume *out, struct lp_err *err);

/* Pure: the files of a FILES volume. Missing optional sources are empty. */
int lp_volume_files(struct lp_arena *arena, const struct lp_volume *volume, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_facts *facts, struct lp_volume_file **out, size_t *out_count, struct lp_err *err);

/*
 * Make what has to be there: the directory of an emptyDir below pod_fd (<data>/pods/<uid>), of a claim below volumes_fd
 * (<data>/volumes), what a hostPath asks for.
 */
int lp_volume_prepare(int pod_fd, int volumes_fd, const struct lp_volume *volume, struct lp_err *err);

/* A path of the host, within the owner's ceiling. */
int lp_volume_open_host(const struct lp_volume *volume, int flags, mode_t mode, int *out_fd, struct lp_err *err);

/* Mount an NFS volume at its directory below pod_fd, unless it is there. Blocks for as long as the server does: only in a child. */
int lp_volume_mount(int pod_fd, const struct lp_volume *volume, struct lp_err *err);

/* Unmount what is mounted below the "volumes" of a pod's directory. 0 when there are none. */
int lp_volume_unmount(int pod_fd, struct lp_err *err);

/* Whose files are: of a pod whose ids are shifted on disk `base` is its first id, else 0. */
struct lp_volume_owner {
	uint32_t base;
	bool has_group;			/* fsGroup */
	uint32_t group;
	bool on_mismatch;		/* fsGroupChangePolicy OnRootMismatch */
};

/*
 * fsGroup: everything at and below `name` gets the group, which may read and write; directories hand it on (setgid). Links are not
 * followed and mounts not entered. Nothing happens without a group.
 */
int lp_volume_own(int dir_fd, const char *name, const struct lp_volume_owner *owner, struct lp_err *err);

/*
 * Put files into "volumes/<name>" below dir_fd (the pod's directory), all at once; what is the same is left alone.
 * With a group they are its, and it may read them.
 */
int lp_volume_write(int dir_fd, const char *name, const struct lp_volume_file *files, size_t count, const struct lp_volume_owner *owner,
    struct lp_err *err);

/* Is the mount that this path is on one that hands mounts on (MS_SHARED)? */
bool lp_volume_is_shared(const char *path);

/* Can everything at and below a host path be shifted by an idmapped mount? */
bool lp_volume_may_shift(const char *path, bool tmpfs_idmap);

#endif

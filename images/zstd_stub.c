/*
 * images/zstd_stub.c - the formats that zstd had before its first release (0.5 to 0.7), refused.
 *
 * Why     Debian's library still decodes them: 110 KB of old parsers in reach of hostile layers. OCI began with version 1, so
 *         no image has them. Without a context zstd reports such a frame as an error (memory_allocation), as it does for the
 *         version when it is asked for sizes.
 * Source  zstd 1.5 lib/legacy/zstd_legacy.h, every function it calls for these versions
 */
#include <stddef.h>
#include <zstd_errors.h>

#define REFUSED ((size_t)-ZSTD_error_version_unsupported)

#define VERSION(v)                                                                                            \
	void *ZSTDv0##v##_createDCtx(void);                                                                   \
	size_t ZSTDv0##v##_freeDCtx(void *context);                                                           \
	size_t ZSTDv0##v##_decompress_usingDict(void *context, void *to, size_t room, const void *from, size_t len, \
	    const void *dictionary, size_t dictionary_len);                                                   \
	void ZSTDv0##v##_findFrameSizeInfoLegacy(const void *from, size_t len, size_t *out_len,               \
	    unsigned long long *out_bound);                                                                   \
	size_t ZSTDv0##v##_getFrameParams(void *out, const void *from, size_t len);                           \
	void *ZBUFFv0##v##_createDCtx(void);                                                                  \
	size_t ZBUFFv0##v##_freeDCtx(void *context);                                                          \
	size_t ZBUFFv0##v##_decompressInitDictionary(void *context, const void *dictionary, size_t len);      \
	size_t ZBUFFv0##v##_decompressContinue(void *context, void *to, size_t *room, const void *from, size_t *len); \
                                                                                                              \
	void *                                                                                                \
	ZSTDv0##v##_createDCtx(void)                                                                          \
	{                                                                                                     \
		return NULL;                                                                                  \
	}                                                                                                     \
	size_t                                                                                                \
	ZSTDv0##v##_freeDCtx(void *context)                                                                   \
	{                                                                                                     \
		(void)context;                                                                                \
		return 0;                                                                                     \
	}                                                                                                     \
	size_t                                                                                                \
	ZSTDv0##v##_decompress_usingDict(void *context, void *to, size_t room, const void *from, size_t len,  \
	    const void *dictionary, size_t dictionary_len)                                                    \
	{                                                                                                     \
		(void)context;                                                                                \
		(void)to;                                                                                     \
		(void)room;                                                                                   \
		(void)from;                                                                                   \
		(void)len;                                                                                    \
		(void)dictionary;                                                                             \
		(void)dictionary_len;                                                                         \
		return REFUSED;                                                                               \
	}                                                                                                     \
	void                                                                                                  \
	ZSTDv0##v##_findFrameSizeInfoLegacy(const void *from, size_t len, size_t *out_len,                    \
	    unsigned long long *out_bound)                                                                    \
	{                                                                                                     \
		(void)from;                                                                                   \
		(void)len;                                                                                    \
		*out_len = REFUSED;                                                                           \
		*out_bound = (unsigned long long)-2; /* ZSTD_CONTENTSIZE_ERROR */                             \
	}                                                                                                     \
	size_t                                                                                                \
	ZSTDv0##v##_getFrameParams(void *out, const void *from, size_t len)                                   \
	{                                                                                                     \
		(void)out;                                                                                    \
		(void)from;                                                                                   \
		(void)len;                                                                                    \
		return REFUSED;                                                                               \
	}                                                                                                     \
	void *                                                                                                \
	ZBUFFv0##v##_createDCtx(void)                                                                         \
	{                                                                                                     \
		return NULL;                                                                                  \
	}                                                                                                     \
	size_t                                                                                                \
	ZBUFFv0##v##_freeDCtx(void *context)                                                                  \
	{                                                                                                     \
		(void)context;                                                                                \
		return 0;                                                                                     \
	}                                                                                                     \
	size_t                                                                                                \
	ZBUFFv0##v##_decompressInitDictionary(void *context, const void *dictionary, size_t len)              \
	{                                                                                                     \
		(void)context;                                                                                \
		(void)dictionary;                                                                             \
		(void)len;                                                                                    \
		return REFUSED;                                                                               \
	}                                                                                                     \
	size_t                                                                                                \
	ZBUFFv0##v##_decompressContinue(void *context, void *to, size_t *room, const void *from, size_t *len) \
	{                                                                                                     \
		(void)context;                                                                                \
		(void)to;                                                                                     \
		(void)room;                                                                                   \
		(void)from;                                                                                   \
		(void)len;                                                                                    \
		return REFUSED;                                                                               \
	}

VERSION(5)
VERSION(6)
VERSION(7)

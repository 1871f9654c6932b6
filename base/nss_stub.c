/*
 * base/nss_stub.c - the name service and the dynamic loader, answered with "no" in a static program.
 *
 * Why     libnl refers to the resolver and the protocol tables, SQLite to dlopen for extensions. In a static glibc these
 *         load modules of whatever system (or container) we run on. None of our paths needs them, so they are cut
 *         off here: 150 KB less, no link warnings, and nothing foreign can be loaded into the process.
 * Not     in the sanitized build, whose libc is dynamic and whose run-time needs the real loader
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

int
getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
	(void)node;
	(void)service;
	(void)hints;
	*out = NULL;
	return EAI_FAIL;
}

void
freeaddrinfo(struct addrinfo *info)
{
	(void)info;	/* getaddrinfo gave none */
}

const char *
gai_strerror(int code)
{
	(void)code;
	return "names are not resolved here";
}

int
getnameinfo(const struct sockaddr *restrict address, socklen_t len, char *restrict host, socklen_t host_size,
            char *restrict service, socklen_t service_size, int flags)
{
	(void)address;
	(void)len;
	(void)host;
	(void)host_size;
	(void)service;
	(void)service_size;
	(void)flags;
	return EAI_FAIL;
}

struct protoent *
getprotobyname(const char *name)
{
	(void)name;
	return NULL;
}

struct protoent *
getprotobynumber(int number)
{
	(void)number;
	return NULL;
}

void *
dlopen(const char *path, int flags)
{
	(void)path;
	(void)flags;
	return NULL;
}

void *
dlsym(void *restrict handle, const char *restrict name)
{
	(void)handle;
	(void)name;
	return NULL;
}

int
dlclose(void *handle)
{
	(void)handle;
	return -1;
}

char *
dlerror(void)
{
	static char words[] = "a static program loads nothing";

	return words;
}

#include "agent/convert/storage.h"

#include <stdio.h>

#include "agent/convert/convert.h"
#include "base/text.h"
#include "specs/quantity.h"

#define STORAGE "ephemeral-storage"

static const char *
limit_of(const struct lp_spec_container *container)
{
	return container->resources ? lp_kinds_map_get(&container->resources->limits, STORAGE) : NULL;
}

static bool
is_on_disk(const struct lp_spec_volume *volume)
{
	return volume->empty_dir && (!volume->empty_dir->medium || !*volume->empty_dir->medium);
}

bool
lp_storage_limited(const struct lp_spec_pod *pod)
{
	for (size_t i = 0; i < pod->spec->volumes.count; i++)
		if (is_on_disk(pod->spec->volumes.items[i]) && lp_quantity_text_value(pod->spec->volumes.items[i]->empty_dir->size_limit, 0) > 0)
			return true;
	for (size_t i = 0; i < pod->spec->containers.count; i++)
		if (limit_of(pod->spec->containers.items[i]))
			return true;
	for (size_t i = 0; i < pod->spec->init_containers.count; i++)
		if (limit_of(pod->spec->init_containers.items[i]))
			return true;
	return false;
}

static uint64_t
sum(const struct lp_storage_use *use, size_t count, bool volumes, const char *name)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		if ((use[i].kind == LP_STORAGE_VOLUME) == volumes && (!name || lp_text_same(use[i].name, name)))
			bytes += use[i].bytes;
	return bytes;
}

static bool
container_over(const struct lp_spec_container *container, const struct lp_storage_use *use, size_t count, char *message, size_t size)
{
	const char *limit = limit_of(container);
	int64_t bytes = lp_quantity_text_value(limit, 0);

	if (bytes <= 0 || sum(use, count, false, container->name) <= (uint64_t)bytes)
		return false;
	(void)snprintf(message, size, "Container %s exceeded its local ephemeral storage limit \"%s\". ", container->name, limit);
	return true;
}

bool
lp_storage_over(const struct lp_spec_pod *pod, const struct lp_storage_use *use, size_t count, char *message, size_t size)
{
	bool all;
	int64_t total = lp_convert_sum(pod, true, STORAGE, &all);

	for (size_t i = 0; i < pod->spec->volumes.count; i++) {
		const struct lp_spec_volume *volume = pod->spec->volumes.items[i];
		int64_t bytes = is_on_disk(volume) ? lp_quantity_text_value(volume->empty_dir->size_limit, 0) : 0;

		if (bytes <= 0 || sum(use, count, true, volume->name) <= (uint64_t)bytes)
			continue;
		(void)snprintf(message, size, "Usage of EmptyDir volume \"%s\" exceeds the limit \"%s\". ", volume->name,
		    volume->empty_dir->size_limit);
		return true;
	}
	if (all && total > 0 && sum(use, count, false, NULL) + sum(use, count, true, NULL) > (uint64_t)total) {
		const struct lp_quantity quantity = { .units = total, .format = LP_QUANTITY_BINARY };
		char text[LP_QUANTITY_TEXT];

		lp_quantity_print(&quantity, text);
		(void)snprintf(message, size, "Pod ephemeral local storage usage exceeds the total limit of containers %s. ", text);
		return true;
	}
	for (size_t i = 0; i < pod->spec->containers.count; i++)
		if (container_over(pod->spec->containers.items[i], use, count, message, size))
			return true;
	for (size_t i = 0; i < pod->spec->init_containers.count; i++)
		if (container_over(pod->spec->init_containers.items[i], use, count, message, size))
			return true;
	return false;
}

bool
lp_storage_over_most(const struct lp_spec_pod *pod, const struct lp_storage_use *use, size_t count, int64_t most_bytes, char *message,
    size_t size)
{
	size_t inits = pod->spec->init_containers.count;

	for (size_t i = 0; most_bytes > 0 && i < inits + pod->spec->containers.count; i++) {
		const struct lp_spec_container *container = i < inits ? pod->spec->init_containers.items[i] : pod->spec->containers.items[i - inits];
		int64_t own = lp_quantity_text_value(limit_of(container), 0);

		if ((own > 0 && own <= most_bytes) || sum(use, count, false, container->name) <= (uint64_t)most_bytes)
			continue;
		(void)snprintf(message, size, "Container %s exceeded the writable layer of %lld bytes that the ceiling of this node allows. ",
		    container->name, (long long)most_bytes);
		return true;
	}
	return false;
}

uint64_t
lp_storage_default_most(uint64_t disk_bytes)
{
	return disk_bytes / 2;
}

bool
lp_storage_over_default(const struct lp_storage_use *use, size_t count, uint64_t most_bytes, char *message, size_t size)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		if (use[i].kind == LP_STORAGE_LAYER)
			bytes = use[i].bytes > UINT64_MAX - bytes ? UINT64_MAX : bytes + use[i].bytes;
	if (most_bytes == 0 || bytes <= most_bytes)
		return false;
	(void)snprintf(message, size, "Pod writable layers usage exceeds %llu bytes, half of this node's disk. ", (unsigned long long)most_bytes);
	return true;
}

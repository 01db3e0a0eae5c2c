#include "jobs/bench/record.h"
#include "core/gemm_bf16.h"
#include "core/mem.h"
#include "io/version.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum { HOST = 64, MODEL = 128 };

/* Of a rank. */
struct place {
    char host[HOST], processor[MODEL];
    int32_t threads, cores, node_cores;
};

/* "model name" of the first processor; "" where the system does not say it so. */
static void read_processor(char model[MODEL]) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    model[0] = '\0';
    while (file && !model[0] && fgets(line, sizeof line, file))
        if (!strncmp(line, "model name", 10) && strchr(line, ':'))
            snprintf(model, MODEL, "%.*s", (int)strcspn(strchr(line, ':') + 2, "\n"),
                     strchr(line, ':') + 2);
    if (file)
        fclose(file);
}

/* Collective. */
static struct place place_of(const struct comm *comm) {
    struct place place = {.threads = omp_get_max_threads()};
    struct comm node;
    int cores, all;
    comm_open_node(&node, comm);
    comm_processors(&node, &cores, &all);
    comm_close(&node);
    place.cores = cores;
    place.node_cores = all;
    snprintf(place.host, sizeof place.host, "%s", comm_host());
    read_processor(place.processor);
    return place;
}

static json_t *versions_json(void) {
    struct version versions[VERSIONS];
    json_t *object = json_object();
    versions_get(versions);
    for (int i = 0; i < VERSIONS; i++)
        json_object_set_new(object, versions[i].name, json_string(versions[i].text));
    return object;
}

static json_t *place_json(const struct place *p) {
    return json_pack("{s:s, s:s, s:i, s:i, s:i}", "host", p->host, "processor", p->processor,
                     "threads", p->threads, "processors_of_rank", p->cores, "processors_of_node",
                     p->node_cores);
}

static json_t *system_json(void) {
    struct utsname name;
    return uname(&name) ? json_null()
                        : json_pack("{s:s, s:s, s:s}", "system", name.sysname, "release",
                                    name.release, "machine", name.machine);
}

json_t *record_json(const struct comm *comm) {
    struct place mine = place_of(comm);
    int64_t bytes;
    struct place *all = comm_collect(comm, &mine, sizeof mine, &bytes);
    if (comm->rank != 0)
        return NULL;
    json_t *object = json_object(), *ranks = json_array();
    for (int r = 0; r < comm->size; r++)
        json_array_append_new(ranks, place_json(&all[r]));
    mem_free(all);
    json_object_set_new(object, "versions", versions_json());
    json_object_set_new(object, "compiler", json_string(version_compiler()));
    json_object_set_new(object, "flags", json_string(version_flags()));
    json_object_set_new(object, "gemm_bf16", json_string(gemm_bf16_kernel()->name));
    json_object_set_new(object, "kernel", system_json());
    json_object_set_new(object, "ranks", ranks);
    return object;
}

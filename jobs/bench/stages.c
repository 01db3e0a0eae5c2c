#include "jobs/bench/stages.h"
#include "core/gemm_bf16.h"
#include "io/file.h"
#include "io/output.h"
#include "io/report_json.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

/* Encoder and loss are never left out wholly. */
static bool shown(const struct bench *b, int stage) {
    return stage == STAGE_ENCODER_FORWARD || stage == STAGE_ENCODER_BACKWARD ||
           stage == STAGE_LOSS || !bench_skips(b, stage_names[stage]);
}

static json_t *rate_json(const struct stage_rate *f) {
    json_t *object = json_object();
    json_object_set_new(object, "seconds", report_number(f->seconds));
    json_object_set_new(object, "gflops", report_number(f->gflops));
    json_object_set_new(object, "gbs", report_number(f->gbs));
    json_object_set_new(object, "fraction", report_number(f->fraction));
    return object;
}

static json_t *peak_json(const struct peak *peak) {
    json_t *object = json_object();
    json_object_set_new(object, "sgemm_gflops", report_number(peak->sgemm_gflops));
    json_object_set_new(object, "gemm_bf16_gflops", report_number(peak->gemm_bf16_gflops));
    json_object_set_new(object, "copy_gbs", report_number(peak->copy_gbs));
    json_object_set_new(object, "triad_gbs", report_number(peak->triad_gbs));
    json_object_set_new(object, "cache_mb", report_number(peak->cache_bytes / 1e6));
    json_object_set_new(object, "allreduce_gbs", report_number(peak->allreduce_gbs));
    return object;
}

static json_t *step_json(const struct bench *b) {
    json_t *object = json_object();
    json_object_set_new(object, "seconds", report_number(b->total.seconds));
    json_object_set_new(object, "useful_gflops", report_number(b->total.gflops));
    json_object_set_new(object, "fraction_of_peak", report_number(b->total.fraction));
    json_object_set_new(object, "sequences_per_s",
                        report_number((double)b->sequences / b->total.seconds));
    return object;
}

static json_t *skip_json(const struct names *skip) {
    json_t *list = json_array();
    for (int i = 0; i < skip->count; i++)
        json_array_append_new(list, json_string(skip->name[i]));
    return list;
}

static void put_steps(const struct bench *b, json_t *object) {
    json_t *stages = json_object();
    for (int s = 0; s < STAGE_EVALUATION; s++)
        if (shown(b, s))
            json_object_set_new(stages, stage_names[s], rate_json(&b->stage[s]));
    json_object_set_new(object, "step", step_json(b));
    json_object_set_new(object, "stages", stages);
    json_object_set_new(object, "steps", json_integer(b->steps));
    json_object_set_new(object, "batch", json_integer(b->sequences));
}

json_t *stages_json(const struct bench *b) {
    json_t *object = json_object();
    json_object_set_new(object, "peak", peak_json(&b->peak));
    if (b->fitted)
        json_object_set_new(object, "fit", rate_json(&b->total));
    else
        put_steps(b, object);
    if (b->evaluation.n > 0)
        json_object_set_new(object, "evaluation", rate_json(&b->stage[STAGE_EVALUATION]));
    json_object_set_new(object, "skipped", skip_json(&b->run.config.bench.skip));
    if (b->run.config.train.precision == PRECISION_BF16)
        json_object_set_new(object, "gemm_bf16", json_string(gemm_bf16_kernel()->name));
    json_object_set_new(object, "peak_rss_mb", report_number(b->peak_rss_mb));
    json_object_set_new(object, "ranks", json_integer(b->comm->size));
    json_object_set_new(object, "threads", json_integer(omp_get_max_threads()));
    return object;
}

static void print_rate(const char *name, const struct stage_rate *f) {
    printf("%-18s%12.6f%12.2f%12.2f", name, f->seconds, f->gflops, f->gbs);
    if (isfinite(f->fraction))
        printf("%12.3f\n", f->fraction);
    else
        printf("%12s\n", "-");
}

static void print_steps(const struct bench *b) {
    for (int s = 0; s < STAGE_EVALUATION; s++)
        if (shown(b, s))
            print_rate(stage_names[s], &b->stage[s]);
    print_rate("step", &b->total);
    printf("%.1f sequences/s\n", (double)b->sequences / b->total.seconds);
}

void stages_print(const struct bench *b) {
    const struct peak *peak = &b->peak;
    printf("peak of %d ranks x threads %d: sgemm %.1f GFLOP/s, copy %.1f GB/s, triad %.1f GB/s",
           b->comm->size, omp_get_max_threads(), peak->sgemm_gflops, peak->copy_gbs,
           peak->triad_gbs);
    if (isfinite(peak->allreduce_gbs))
        printf(", allreduce %.1f GB/s", peak->allreduce_gbs);
    if (b->run.config.train.precision == PRECISION_BF16)
        printf(", products in bfloat16 by %s %.1f GFLOP/s", gemm_bf16_kernel()->name,
               peak->gemm_bf16_gflops);
    printf("\n%-18s%12s%12s%12s%12s\n", "stage", "seconds", "GFLOP/s", "GB/s", "of peak");
    if (b->fitted)
        print_rate("fit", &b->total);
    else
        print_steps(b);
    if (b->evaluation.n > 0)
        print_rate(stage_names[STAGE_EVALUATION], &b->stage[STAGE_EVALUATION]);
    printf("peak memory per rank %.1f MB\n", b->peak_rss_mb);
}

enum status stages_write(json_t *json, const char *directory, const char *output) {
    char path[OPTION_PATH + 16];
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(json);
    snprintf(path, sizeof path, "%s/bench.json", directory);
    enum status status = output ? STATUS_OK : file_make_directory(directory);
    if (status == STATUS_OK)
        status = output_write(output ? output : path, text);
    free(text);
    return status;
}

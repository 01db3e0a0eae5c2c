#include "jobs/engine/ranker.h"
#include "core/check.h"
#include "core/mem.h"
#include "core/models/forward.h"

static void add_work(struct ranker *r, const struct tape *tape) {
    r->work.flops += tape->work[PHASE_FORWARD].flops;
    r->work.bytes += tape->work[PHASE_FORWARD].bytes;
}

static void view_items(struct ranker_part *part) {
    struct run *run = part->run;
    tape_begin(&part->item_tape, false, 0);
    part->item_tape.replicas = run->model.catalogue.collectives ? 1 : run->comm->size;
    model_view(&run->model, &part->item_tape, NULL, &part->items);
}

void ranker_open(struct ranker *r, struct run *runs, int count) {
    assert(count <= RANKER_RUNS);
    *r = (struct ranker){.parts = count,
                         .part = mem_zero(count, sizeof *r->part),
                         .asked = mem_zero(count, sizeof *r->asked)};
    for (int k = 0; k < count; k++)
        r->part[k].run = &runs[k];
}

void ranker_begin(struct ranker *r, int domain) {
    for (int k = 0; k < r->parts; k++) {
        struct ranker_part *part = &r->part[k];
        if (!run_turn(part->run, domain) && part->viewed)
            continue;
        view_items(part);
        add_work(r, &part->item_tape);
        part->viewed = true;
    }
    r->domain = domain;
}

void ranker_close(struct ranker *r) {
    for (int k = 0; k < r->parts; k++) {
        tape_free(&r->part[k].item_tape);
        tape_free(&r->part[k].tape);
        batch_free(&r->part[k].batch);
    }
    mem_free(r->part);
    mem_free(r->asked);
    *r = (struct ranker){0};
}

bool ranker_is_shared(const struct ranker *r) {
    return r->part[0].run->model.catalogue.collectives != NULL;
}

int64_t ranker_batch(const struct ranker *r) {
    int ranks = ranker_is_shared(r) ? r->part[0].run->comm->size : 1;
    return ranks < RANKER_BATCH ? RANKER_BATCH / ranks : 1;
}

static void ask_part(struct ranker_part *part, const struct sample *samples, int64_t n, int domain,
                     struct query *query) {
    struct model *model = &part->run->model;
    struct pass pass = {.tape = &part->tape, .batch = &part->batch};
    model_pack_histories(model, &part->batch, samples, n);
    tape_begin(&part->tape, false, 0);
    placement_view(part->run->placement, model, &part->items, &pass);
    model_query(model, &pass, &part->items, domain, query);
    if (model->config->model.repeats == REPEATS_COUNTED)
        query->repeats = repeats_rate(&part->run->repeats, domain);
}

struct arena *ranker_ask(struct ranker *r, const struct sample *samples, int64_t n,
                         struct query *query) {
    struct arena *arena = &r->part[0].tape.arena;
    for (int k = 0; k < r->parts; k++) {
        ask_part(&r->part[k], samples, n, r->domain, &r->asked[k]);
        add_work(r, &r->part[k].tape);
    }
    *query = query_together(r->asked, r->parts);
    return arena;
}

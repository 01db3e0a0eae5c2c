/* One stage per prompt: fill it in for this rank's items, look the keys up in the cache, share out
 * what is missing, get it in the way that was asked for, read the cache again. The cache is locked
 * all the time, the data set only while the outcome is put to it: hours may lie between. */
#include "jobs/enrich/enrich.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/dataset.h"
#include "io/file.h"
#include "io/h5_file.h"
#include "io/llm/batch_files.h"
#include "io/llm/cache.h"
#include "io/llm/tag_list.h"
#include "jobs/enrich/answers.h"
#include "jobs/enrich/ask_chat.h"
#include "jobs/enrich/batch_answers.h"
#include "jobs/enrich/requests.h"
#include "jobs/enrich/write.h"
#include "jobs/launch/dataset_lock.h"
#include "partition/range.h"
#include <stdio.h>
#include <string.h>

enum { PROMPT_BYTES = 1 << 16 };

struct job {
    const struct comm *comm;
    const struct enrich_request *request;
    const struct chat *chat;
    struct dataset dataset;
    struct range mine; /* items whose prompts this rank fills in */
    struct prompt prompt[ENRICH_STAGES];
    int stages;
    const char *domain[2]; /* what {domain} says */
    char prompts[256];     /* their names */
    char prompt_hash[SHA256_TEXT];
    struct h5_strings titles, descriptions; /* of mine */
    struct tag_rows tags;                   /* of mine, where a prompt has a place for them */
    struct cache cache;
    char (*key)[SHA256_TEXT];  /* [mine] of the answer so far; "": none can come */
    char **prompted;           /* [mine] the prompts without an answer */
    struct batch_writer batch; /* rank 0 */
    struct failures failures;
    int64_t silent;        /* mine that have nothing to ask about */
    int64_t wanted, asked; /* requests without an answer in the cache, and those that got one */
    double since;
};

/* ---- prompts ---- */

/* The text of a prompt, the caller's. */
static enum status read_prompt(const char *name, char **text) {
    const char *builtin = prompt_builtin(name);
    if (builtin) {
        *text = mem_string(builtin);
        return STATUS_OK;
    }
    if (!file_exists(name))
        return log_error(STATUS_INPUT,
                         "%s: is neither a file nor one of the prompts description, tags, refine, "
                         "agnostic, specific",
                         name);
    return file_read(name, PROMPT_BYTES, text);
}

/* Rank 0 reads. */
static enum status open_prompt(struct job *j, int stage) {
    const char *name = j->request->prompts[stage];
    char *text = NULL;
    TRY(COMM_ON_ROOT(j->comm, read_prompt(name, &text)));
    int64_t bytes = text ? (int64_t)strlen(text) + 1 : 0;
    comm_bcast(j->comm, &bytes, sizeof bytes);
    if (!text)
        text = mem_alloc(bytes, 1);
    comm_bcast(j->comm, text, bytes);
    if (j->comm->rank > 0) /* rank 0 says what all find */
        log_hold();
    enum status status = prompt_open(&j->prompt[stage], name, text);
    if (j->comm->rank > 0)
        log_release();
    mem_free(text);
    return status;
}

static enum status open_prompts(struct job *j) {
    struct sha256 hash;
    for (; j->stages < ENRICH_STAGES && j->request->prompts[j->stages]; j->stages++)
        TRY(open_prompt(j, j->stages));
    sha256_begin(&hash);
    for (int s = 0; s < j->stages; s++) {
        size_t n = strlen(j->prompts);
        sha256_add(&hash, j->prompt[s].text, strlen(j->prompt[s].text) + 1);
        snprintf(j->prompts + n, sizeof j->prompts - n, "%s%s", s > 0 ? ", " : "",
                 j->request->prompts[s]);
    }
    sha256_end(&hash, j->prompt_hash);
    if (j->stages < 2 || j->prompt[1].uses[PROMPT_TAGS])
        return STATUS_OK;
    return comm_error(j->comm, STATUS_INPUT,
                      "%s: has no place {tags} for the tags that it shall refine; add it",
                      j->request->prompts[1]);
}

/* ---- texts of the items ---- */

/* On rank 0. */
static enum status check_texts(const struct job *j) {
    const struct h5_file *file = &j->dataset.file;
    bool titles = h5_exists(file, "/items/title"), tags = h5_exists(file, "/tags/offsets");
    bool descriptions = h5_exists(file, "/items/description");
    const bool *uses = j->prompt[0].uses;
    if (uses[PROMPT_DESCRIPTION] && !descriptions)
        log_info("%s: has no descriptions: lines of the prompt with {description} are left out",
                 j->dataset.path);
    if (uses[PROMPT_TAGS] && !tags)
        return log_error(STATUS_INPUT,
                         "%s: has no tags for {tags} in %s; make them first: --prompt tags",
                         j->dataset.path, j->request->prompts[0]);
    if ((uses[PROMPT_TITLE] && titles) || (uses[PROMPT_DESCRIPTION] && descriptions) ||
        uses[PROMPT_TAGS])
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s: has none of the texts that the prompt has places for; "
                     "prepare it again with titles",
                     j->dataset.path);
}

/* "LABEL=NAME" each. */
static enum status name_domains(struct job *j) {
    const struct string_list *names = j->request->domains;
    const struct dataset *data = &j->dataset;
    for (int d = 0; d < 2; d++)
        j->domain[d] = data->labels[d];
    for (int64_t i = 0; i < names->count; i++) {
        const char *text = string_at(names, i);
        size_t n = strcspn(text, "=");
        int d = 0;
        while (d < 2 && (strlen(data->labels[d]) != n || memcmp(data->labels[d], text, n)))
            d++;
        if (d == 2)
            return comm_error(j->comm, STATUS_INPUT,
                              "--domain: '%.100s': the domains of %s are called %s and %s", text,
                              data->path, data->labels[0], data->labels[1]);
        j->domain[d] = text + n + 1;
    }
    return STATUS_OK;
}

static void warn_of_labels(const struct job *j) {
    for (int d = 0; d < 2; d++)
        if (strlen(j->domain[d]) < 2 && j->dataset.domain_items[d] > 0)
            log_warn("%s: a domain is called '%s', which tells a model nothing; say what it is: "
                     "--domain '%s=books'",
                     j->dataset.path, j->dataset.labels[d], j->dataset.labels[d]);
}

static enum status read_texts(struct job *j) {
    int64_t lo = j->mine.lo, hi = j->mine.hi;
    TRY(COMM_ON_ROOT(j->comm, check_texts(j)));
    if (j->comm->rank == 0 && j->prompt[0].uses[PROMPT_DOMAIN])
        warn_of_labels(j);
    TRY(dataset_read_titles(j->comm, &j->dataset, lo, hi, &j->titles));
    TRY(dataset_read_descriptions(j->comm, &j->dataset, lo, hi, &j->descriptions));
    if (j->prompt[0].uses[PROMPT_TAGS])
        TRY(dataset_read_tags(j->comm, &j->dataset, lo, hi, &j->tags));
    return STATUS_OK;
}

/* ---- a stage ---- */

/* Those that the data set has of my i-th item, or those of the answer that is to be refined; the
 * caller's. NULL: none. */
static enum status tags_of(const struct job *j, int stage, int64_t i, char **text) {
    struct string_map tags = {0};
    struct answer answer = {0};
    *text = NULL;
    if (stage > 0) {
        TRY(cache_get(&j->cache, j->key[i], &answer));
        tag_list_parse(answer.text, &tags);
        answer_free(&answer);
    } else if (j->tags.offsets) {
        for (int64_t e = j->tags.offsets[i]; e < j->tags.offsets[i + 1]; e++)
            string_map_add(&tags, j->tags.vocabulary.text[j->tags.tags[e]], NULL);
    }
    *text = tag_list_join(&tags);
    string_map_free(&tags);
    return STATUS_OK;
}

/* Fill in the prompt of my i-th item; NULL: there is nothing to ask about. */
static enum status prompt_of(const struct job *j, int stage, int64_t i, char **prompt) {
    char *tags;
    int domain = j->mine.lo + i >= j->dataset.domain_items[0];
    TRY(tags_of(j, stage, i, &tags));
    const char *values[PROMPT_PLACES] = {[PROMPT_TITLE] = j->titles.text[i],
                                         [PROMPT_DESCRIPTION] = j->descriptions.text[i],
                                         [PROMPT_DOMAIN] = j->domain[domain],
                                         [PROMPT_TAGS] = tags};
    *prompt = prompt_fill(&j->prompt[stage], values);
    mem_free(tags);
    return STATUS_OK;
}

/* Key and, where the cache has no answer, prompt of my i-th item. */
static enum status prepare_item(struct job *j, int stage, int64_t i) {
    char *prompt;
    if (!utf8_valid(j->titles.text[i]) || !utf8_valid(j->descriptions.text[i]))
        return log_error(STATUS_INPUT,
                         "%s: a text of item %lld is not UTF-8; make the file again with 'cdsr "
                         "prepare'",
                         j->dataset.path, (long long)(j->mine.lo + i));
    TRY(prompt_of(j, stage, i, &prompt));
    if (!prompt) {
        j->silent++;
        j->key[i][0] = '\0';
        return STATUS_OK;
    }
    char *body = chat_body(j->chat, prompt);
    chat_key(body, j->key[i]);
    mem_free(body);
    if (cache_has(&j->cache, j->key[i]))
        mem_free(prompt);
    else
        j->prompted[i] = prompt;
    return STATUS_OK;
}

/* Only what the stage before has answered goes on. */
static enum status prepare_stage(struct job *j, int stage) {
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < j->mine.hi - j->mine.lo && status == STATUS_OK; i++)
        if (stage == 0 || *j->key[i])
            status = prepare_item(j, stage, i);
    return comm_agree(j->comm, status);
}

static void free_prompted(struct job *j) {
    for (int64_t i = 0; j->prompted && i < j->mine.hi - j->mine.lo; i++) {
        mem_free(j->prompted[i]);
        j->prompted[i] = NULL;
    }
}

/* Items without an answer are out of the next stages. */
static void drop_unanswered(struct job *j) {
    for (int64_t i = 0; i < j->mine.hi - j->mine.lo; i++)
        if (*j->key[i] && !cache_has(&j->cache, j->key[i]))
            j->key[i][0] = '\0';
}

/* ---- three ways to answers ---- */

static enum status get_answers(struct job *j, const struct requests *requests) {
    const struct enrich_request *r = j->request;
    int64_t answered = 0;
    if (r->batch_out)
        return COMM_ON_ROOT(j->comm, batch_answers_write(&j->batch, j->chat, requests));
    if (r->batch_in)
        return COMM_ON_ROOT(j->comm, batch_answers_read(r->batch_in, r->ask.cache, j->chat,
                                                        requests, &j->failures, &j->asked));
    if (!r->ask.endpoint)
        return STATUS_OK;
    enum status status = ask_chat(j->comm, &r->ask, j->chat, requests, &j->failures, &answered);
    j->asked += answered;
    return status;
}

static enum status run_stage(struct job *j, int stage) {
    const struct enrich_request *r = j->request;
    struct requests requests;
    int64_t before = j->asked, had = j->cache.keys.list.count;
    TRY(prepare_stage(j, stage));
    bool alone = r->batch_out || r->batch_in;
    requests_share(j->comm, j->mine.lo, j->mine.hi - j->mine.lo, j->key, j->prompted, alone,
                   &requests);
    free_prompted(j);
    int64_t wanted = requests.count;
    comm_sum_i64(j->comm, &wanted, 1);
    j->wanted += wanted;
    enum status status = wanted > 0 ? get_answers(j, &requests) : STATUS_OK;
    requests_free(&requests);
    int64_t added = j->asked - before;
    comm_max_i64(j->comm, &added, 1);
    j->asked = before + added;
    enum status mended = STATUS_OK; /* also what came before an error is kept */
    if (added > 0)
        mended = answers_read(j->comm, r->ask.cache, had + added, &j->cache);
    drop_unanswered(j);
    return status != STATUS_OK ? status : mended;
}

/* ---- the end ---- */

static int64_t count_unanswered(const struct job *j) {
    int64_t n = -j->silent;
    for (int64_t i = 0; i < j->mine.hi - j->mine.lo; i++)
        n += !*j->key[i];
    comm_sum_i64(j->comm, &n, 1);
    return n;
}

static enum status judge(const struct job *j, int64_t unanswered) {
    const struct enrich_request *r = j->request;
    const char *way = r->ask.endpoint ? "run it again to ask for them once more"
                      : r->batch_in   ? "write their requests with --batch-out"
                                      : "ask for them with --endpoint or --batch-out";
    if (unanswered == 0)
        return STATUS_OK;
    if (r->ask.allow_missing) {
        if (j->comm->rank == 0)
            log_warn("%s: %lld items have no answer, and are written as missing", r->data,
                     (long long)unanswered);
        return STATUS_OK;
    }
    return comm_error(j->comm, r->ask.endpoint ? STATUS_IO : STATUS_INPUT,
                      "%s: %lld of %lld items have no answer; the others are in %s; %s, or give "
                      "--allow-missing",
                      r->data, (long long)unanswered, (long long)j->dataset.items, r->ask.cache,
                      way);
}

/* The data set as it is now: others may have put tables to it meanwhile, but no other items. */
static enum status reopen(struct job *j, struct dataset *now) {
    TRY(dataset_open(j->comm, j->request->data, now));
    bool same = !strcmp(now->items_hash, j->dataset.items_hash) && now->items == j->dataset.items;
    if (!same)
        return comm_error(j->comm, STATUS_INPUT,
                          "%s: has other items than when the job began; run it again",
                          j->request->data);
    return COMM_ON_ROOT(j->comm, write_check(now, j->request->name, j->request->overwrite));
}

static enum status write_locked(struct job *j, char (*keys)[SHA256_TEXT]) {
    struct dataset now = {0};
    struct write_request request = {.name = j->request->name,
                                    .chat = j->chat,
                                    .cache = &j->cache,
                                    .prompts = j->prompts,
                                    .tags = j->tags.offsets ? &j->dataset : NULL,
                                    .overwrite = j->request->overwrite};
    memcpy(request.prompt_hash, j->prompt_hash, sizeof request.prompt_hash);
    enum status status = reopen(j, &now);
    if (status == STATUS_OK)
        status = write_answers(j->comm, &now, &request, keys);
    dataset_close(&now);
    return status;
}

static enum status write_outcome(struct job *j) {
    struct lock lock;
    int64_t total, bytes = (j->mine.hi - j->mine.lo) * (int64_t)sizeof *j->key;
    TRY(dataset_lock_old(&lock, j->comm, j->request->data, j->request->wait));
    char(*keys)[SHA256_TEXT] = comm_collect(j->comm, j->key, bytes, &total);
    enum status status = write_locked(j, keys);
    lock_release(&lock);
    mem_free(keys);
    if (status == STATUS_OK && j->comm->rank == 0)
        printf("answers: %lld new, the others from %s; %.1f s\n", (long long)j->asked,
               j->request->ask.cache, phase_clock() - j->since);
    return status;
}

static enum status finish(struct job *j) {
    const struct enrich_request *r = j->request;
    int64_t unanswered = count_unanswered(j);
    if (r->batch_out) {
        if (j->comm->rank == 0)
            printf("%s: %lld requests in %lld files; %lld answers are in %s\n", r->batch_out,
                   (long long)j->wanted, (long long)j->batch.files,
                   (long long)j->cache.keys.list.count, r->ask.cache);
        return STATUS_OK;
    }
    TRY(failures_list(j->comm, &j->failures, &j->dataset, r->ask.failed));
    TRY(judge(j, unanswered));
    return write_outcome(j);
}

/* ---- all of it ---- */

static enum status run_stages(struct job *j) {
    TRY(answers_read(j->comm, j->request->ask.cache, 0, &j->cache));
    enum status status = STATUS_OK;
    for (int s = 0; s < j->stages && status == STATUS_OK; s++)
        status = run_stage(j, s);
    return status;
}

static enum status run_locked(struct job *j) {
    const struct enrich_request *r = j->request;
    if (!r->batch_out)
        return run_stages(j);
    TRY(COMM_ON_ROOT(j->comm, batch_writer_open(&j->batch, r->batch_out)));
    enum status status = run_stages(j);
    return COMM_ON_ROOT(j->comm, batch_writer_close(&j->batch, status));
}

static enum status run(struct job *j) {
    const struct enrich_request *r = j->request;
    struct lock lock;
    TRY(open_prompts(j));
    TRY(dataset_open(j->comm, r->data, &j->dataset));
    TRY(COMM_ON_ROOT(j->comm,
                     r->batch_out ? STATUS_OK : write_check(&j->dataset, r->name, r->overwrite)));
    j->mine = range_of(j->dataset.items, j->comm->size, j->comm->rank);
    j->key = mem_zero(j->mine.hi - j->mine.lo, sizeof *j->key);
    j->prompted = mem_zero(j->mine.hi - j->mine.lo, sizeof *j->prompted);
    TRY(name_domains(j));
    TRY(read_texts(j));
    TRY(lock_file(&lock, j->comm, r->ask.cache, r->wait));
    enum status status = run_locked(j);
    if (status == STATUS_OK)
        status = finish(j);
    lock_release(&lock);
    return status;
}

enum status enrich(const struct comm *comm, const struct enrich_request *request,
                   const struct chat *chat) {
    struct job j = {.comm = comm, .request = request, .chat = chat, .since = phase_clock()};
    j.cache.file = -1;
    enum status status = run(&j);
    for (int s = 0; s < ENRICH_STAGES; s++)
        prompt_close(&j.prompt[s]);
    free_prompted(&j);
    h5_strings_free(&j.titles);
    h5_strings_free(&j.descriptions);
    tag_rows_free(&j.tags);
    cache_close(&j.cache);
    mem_free(j.key);
    mem_free(j.prompted);
    failures_free(&j.failures);
    dataset_close(&j.dataset);
    return status;
}

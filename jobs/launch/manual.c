#include "jobs/launch/manual.h"
#include "core/options.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define JOB(name, purpose) {#name, purpose},
static const struct {
    const char *name, *purpose;
} jobs[] = {
#include "jobs/jobs.def"
    {NULL, NULL}};
#undef JOB

static const char *purpose_of(const char *job) {
    for (int i = 0; jobs[i].name; i++)
        if (!strcmp(jobs[i].name, job))
            return jobs[i].purpose;
    return "cross-domain sequential recommenders on CPU clusters";
}

/* ---- walking the tables ---- */

typedef void option_fn(FILE *out, const char *job, const struct argp_option *option);

static bool is_end(const struct argp_option *o) {
    return !o->name && !o->key && !o->doc && !o->group;
}

static void each_option(FILE *out, const char *job, const struct argp_option *o, option_fn *tell) {
    for (; o && !is_end(o); o++)
        if (!(o->flags & OPTION_HIDDEN))
            tell(out, job, o);
}

static void each(FILE *out, const char *job, const struct argp *argp,
                 const struct argp_option *common, option_fn *tell) {
    each_option(out, job, argp->options, tell);
    for (const struct argp_child *child = argp->children; child && child->argp; child++)
        each_option(out, job, child->argp->options, tell);
    each_option(out, job, common, tell);
}

/* ---- roff ---- */

/* A plain hyphen would become a typographic one. */
static void put_char(FILE *out, char c) {
    if (c == '-' || c == '\\')
        fputs(c == '-' ? "\\-" : "\\e", out);
    else
        fputc(c, out);
}

/* Up to a \v, which parts a job's description from what --help says last. At the start of a line a dot or a
 * quote would be a request. */
static void put_text(FILE *out, const char *text) {
    bool start = true;
    for (; *text && *text != '\v'; start = *text++ == '\n') {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\n' && text[1] == '\n')
            fputs("\n.PP", out);
        else
            put_char(out, *text);
    }
    fputc('\n', out);
}

static void put_bold(FILE *out, const char *before, const char *text) {
    fprintf(out, "%s\\fB", before);
    for (; *text; text++)
        put_char(out, *text);
    fputs("\\fR", out);
}

static bool is_header(const struct argp_option *o) {
    return !o->name && !o->key && o->doc;
}

static bool has_letter(const struct argp_option *o) {
    return o->key > 0 && o->key < 128 && isprint(o->key) && !(o->flags & OPTION_DOC);
}

/* -o, --output=FILE; --agnostic[=CHI2]; or, of what is no option, its name. */
static void put_option(FILE *out, const char *job, const struct argp_option *o) {
    char letter[] = {'-', (char)o->key, '\0'};
    const char *dashes = o->flags & OPTION_DOC ? "" : "--";
    bool may = o->flags & OPTION_ARG_OPTIONAL;
    (void)job;
    if (is_header(o)) {
        fputs(".SS ", out);
        put_text(out, o->doc);
        return;
    }
    fputs(".TP\n", out);
    if (has_letter(o))
        put_bold(out, "", letter);
    if (o->name) {
        put_bold(out, has_letter(o) ? ", " : "", dashes);
        put_bold(out, "", o->name);
    }
    if (o->arg)
        fprintf(out, "%s%s\\fI%s\\fR%s", may ? "[" : "", o->name ? "=" : " ", o->arg,
                may ? "]" : "");
    fputc('\n', out);
    put_text(out, o->doc ? o->doc : "");
}

/* A line of a job's arguments for each way to call it. */
static void put_synopsis(FILE *out, const char *job, const char *arguments) {
    char line[256];
    fputs(".SH SYNOPSIS\n", out);
    for (const char *next = arguments; next; next = strchr(next, '\n')) {
        next += *next == '\n';
        snprintf(line, sizeof line, "%.*s", (int)strcspn(next, "\n"), next);
        fprintf(out, "%s\\fBcdsr%s%s\\fR [\\fIOPTION\\fR...] ", next > arguments ? ".br\n" : "",
                *job ? " " : "", job);
        put_text(out, line);
    }
}

static void put_keys(FILE *out) {
    struct config config;
    char value[OPTION_PATH], expected[256];
    options_defaults(&config);
    fputs(".SH CONFIGURATION\nKeys of configuration files (YAML, section by section) and of "
          "command lines (\\fIKEY\\fR=\\fIVALUE\\fR).\n",
          out);
    for (int i = 0; i < options_count(); i++) {
        const char *model = options_model(i);
        options_value(&config, i, value, sizeof value);
        options_expected(i, expected, sizeof expected);
        put_bold(out, ".TP\n", options_key(i));
        put_bold(out, " = ", value);
        fprintf(out, "\n%s%s", model ? model : "", model ? ": " : "");
        put_text(out, options_help(i));
        fputs(".br\n", out);
        put_text(out, expected);
    }
}

static void put_see_also(FILE *out, const char *job) {
    fputs(".SH SEE ALSO\n", out);
    if (*job)
        fputs(".BR cdsr (1)\n", out);
    for (int i = 0; !*job && jobs[i].name; i++)
        fprintf(out, ".BR cdsr\\-%s (1)%s\n", jobs[i].name, jobs[i + 1].name ? "," : "");
}

void manual_page(FILE *out, const char *job, const struct argp *argp,
                 const struct argp_option *common) {
    const char *doc = argp->doc ? argp->doc : "", *rest = strchr(doc, '\v');
    fprintf(out, ".TH CDSR%s", *job ? "\\-" : "");
    for (const char *c = job; *c; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, " 1 \"\" \"cdsr %s\" \"User Commands\"\n.SH NAME\ncdsr%s%s \\- ", CDSR_VERSION,
            *job ? "\\-" : "", job);
    put_text(out, purpose_of(job));
    put_synopsis(out, job, argp->args_doc ? argp->args_doc : "");
    fputs(".SH DESCRIPTION\n", out);
    put_text(out, doc);
    if (rest) {
        fputs(".PP\n", out);
        put_text(out, rest + 1);
    }
    fputs(".SH OPTIONS\n", out);
    each(out, job, argp, common, put_option);
    if (!*job)
        put_keys(out);
    put_see_also(out, job);
}

/* ---- completion ---- */

static const char *word_of(const char *job) {
    return *job ? job : "-";
}

/* Words stand between bars in a table; what a user has to fill in is in capitals. */
static bool is_choice(const char *arg) {
    return strchr(arg, '|') && strcspn(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(arg);
}

static void put_word(FILE *out, const char *job, const struct argp_option *o) {
    if (!o->name || o->flags & OPTION_DOC)
        return;
    fprintf(out, "%s --%s", word_of(job), o->name);
    if (o->arg && !(o->flags & OPTION_ARG_OPTIONAL))
        fprintf(out, "=%s", is_choice(o->arg) ? o->arg : "");
    fputc('\n', out);
}

static void put_jobs_and_keys(FILE *out) {
    char choices[256];
    for (int i = 0; jobs[i].name; i++)
        fprintf(out, "- %s\n", jobs[i].name);
    for (int i = 0; i < options_count(); i++) {
        options_choices(i, choices, sizeof choices);
        fprintf(out, "key %s=%s\n", options_key(i), choices);
    }
}

void manual_words(FILE *out, const char *job, const struct argp *argp,
                  const struct argp_option *common) {
    each(out, job, argp, common, put_word);
    if (argp->args_doc && strstr(argp->args_doc, "KEY=VALUE"))
        fprintf(out, "%s KEY=\n", word_of(job));
    if (!*job)
        put_jobs_and_keys(out);
}

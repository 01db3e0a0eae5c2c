#include "io/plot.h"
#include "core/log.h"
#include "io/output.h"
#include <errno.h>
#include <string.h>

static const struct {
    const char *ending, *terminal;
} types[] = {{".svg", "svg size 900,600"}, {".png", "pngcairo size 900,600"}, {".pdf", "pdfcairo"}};

enum { TYPES = sizeof types / sizeof *types };

static int type_of(const char *path) {
    const char *dot = strrchr(path, '.');
    int i = 0;
    while (i < TYPES && (!dot || strcmp(dot, types[i].ending) != 0))
        i++;
    return i;
}

bool plot_is_name(const char *path) {
    return type_of(path) < TYPES;
}

/* Single quotes are doubled, as gnuplot wants them inside single quotes. */
void plot_text(FILE *gnuplot, const char *text) {
    fputc('\'', gnuplot);
    for (; *text; text++)
        fprintf(gnuplot, *text == '\'' ? "''" : "%c", *text);
    fputc('\'', gnuplot);
}

static enum status draw(const char *path, const char *file, plot_send_fn *send, void *context) {
    FILE *gnuplot = popen("gnuplot", "w");
    if (!gnuplot)
        return log_error(STATUS_FAIL, "gnuplot does not start: %s", strerror(errno));
    fprintf(gnuplot, "set terminal %s noenhanced\nset output ", types[type_of(path)].terminal);
    plot_text(gnuplot, file);
    fputc('\n', gnuplot);
    enum status status = send(gnuplot, context);
    if (pclose(gnuplot) != 0 && status == STATUS_OK)
        return log_error(STATUS_FAIL, "%s: gnuplot did not draw it; is gnuplot installed?", path);
    return status;
}

enum status plot_draw(const char *path, plot_send_fn *send, void *context) {
    struct output output;
    TRY(output_begin(&output, path, OUTPUT_TEXT));
    return output_end(&output, draw(path, output.file, send, context));
}

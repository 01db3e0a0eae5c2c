/* Pictures drawn by gnuplot. Not collective. */
#ifndef IO_PLOT_H
#define IO_PLOT_H
#include "core/status.h"
#include <stdbool.h>
#include <stdio.h>

#define PLOT_ENDINGS ".svg, .png or .pdf"

/* Does the name tell the type of the picture? */
bool plot_is_name(const char *path);

/* Send gnuplot the data and the commands; the picture's type and file are set. */
typedef enum status plot_send_fn(FILE *gnuplot, void *context);

/* As io/output.h writes files. STATUS_FAIL, with a message, without gnuplot. */
CHECKED enum status plot_draw(const char *path, plot_send_fn *send, void *context);

/* For `send`: a text in quotes, as gnuplot wants it. */
void plot_text(FILE *gnuplot, const char *text);

#endif

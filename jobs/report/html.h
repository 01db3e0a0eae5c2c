/* Pieces of a page of HTML in UTF-8. Not collective. */
#ifndef JOBS_REPORT_HTML_H
#define JOBS_REPORT_HTML_H
#include <stdio.h>

/* Text from anywhere, as text or as the value of an attribute in double quotes; what is no character
 * that a page may have becomes '?'. */
void html_text(FILE *file, const char *text);

/* The same, with what stands between two backticks as code. */
void html_marked(FILE *file, const char *text);

/* Everything up to the content of <body>: a Content-Security-Policy lets the page load nothing and
 * run no script, and have no style but the one given, which it knows by its hash. */
void html_begin(FILE *file, const char *title, const char *style);
void html_end(FILE *file);

#endif

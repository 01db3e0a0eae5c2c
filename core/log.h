/* One-line messages on stderr. Not collective. */
#ifndef CORE_LOG_H
#define CORE_LOG_H
#include "core/status.h"
#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_FORMAT(f, a) __attribute__((format(printf, f, a)))

/* Messages above `level` are dropped. Peers of rank 0 are set to LOG_ERROR: what every rank sees is
 * said once, what one rank alone finds is always said. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Print "cdsr: error: ..." and return `status`, so that `return log_error(STATUS_INPUT, ...)` both
 * reports and fails. */
enum status log_error(enum status status, const char *format, ...) LOG_FORMAT(2, 3);
enum status log_verror(enum status status, const char *format, va_list args) LOG_FORMAT(2, 0);
void log_warn(const char *format, ...) LOG_FORMAT(1, 2);

/* For a failure that the caller gets over: from log_hold on errors are kept, not printed.
 * log_release ends that and gives the first one's text, "" where there was none; it stays until the
 * next log_hold. A pair may stand inside another one, LOG_HOLDS deep. */
enum { LOG_HOLDS = 3 };
void log_hold(void);
const char *log_release(void);
bool log_is_held(void);

void log_info(const char *format, ...) LOG_FORMAT(1, 2);
void log_debug(const char *format, ...) LOG_FORMAT(1, 2);

/* A line that the next message replaces; shown on a terminal only, at LOG_INFO, a few times a
 * second, and cut at the terminal's width. */
bool log_shows_progress(void);
void log_progress(const char *format, ...) LOG_FORMAT(1, 2);

/* Take the line away, before something else than a message is printed. */
void log_progress_end(void);

#endif

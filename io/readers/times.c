/* A time is kept as whole seconds and a fraction in units of 10^-18, exactly, since floating-point
 * numbers would tie events that are not tied. Numbers and dates have a parser each. The unit of
 * numbers shows only over the whole column: each counts for the unit in which it lies between 1990
 * and 2100, and where the column is not of one mind that is an error with its line. */
#include "io/readers/times.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { YEAR_1990 = 631152000, DIGITS = 18 };
static const int64_t YEAR_2100 = 4102444800, WHOLE = 1000000000000000000;

static const int64_t parts[TIME_UNITS] = {1, 1000, 1000000, 1000000000};
static const char *const unit_names[TIME_UNITS] = {"seconds", "milliseconds", "microseconds",
                                                   "nanoseconds"};

/* ---- numbers ---- */

/* The digits behind a decimal point, as many as there is room for, in 10^-18; *at moves behind
 * them.
 */
static int64_t fraction(const char **at) {
    int64_t value = 0, scale = WHOLE;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value += (**at - '0') * (scale /= 10);
    return value;
}

/* "-12.5" exactly. */
static bool parse_decimal(const char *text, struct moment *value) {
    const char *point = strchr(text, '.');
    char whole[32];
    if (!point || point == text || (size_t)(point - text) >= sizeof whole)
        return false;
    memcpy(whole, text, (size_t)(point - text));
    whole[point - text] = '\0';
    if (!parse_int(whole, &value->seconds))
        return false;
    const char *at = point + 1;
    value->rest = fraction(&at);
    if (*text == '-' && value->rest > 0)
        *value = (struct moment){value->seconds - 1, WHOLE - value->rest};
    return !*at;
}

static bool parse_number(const char *text, struct moment *value) {
    char *end;
    *value = (struct moment){0, 0};
    if (parse_int(text, &value->seconds) || parse_decimal(text, value))
        return true;
    if (!*text || strchr(" \t\n\v\f\r", *text))
        return false;
    long double number = strtold(text, &end), whole = floorl(number);
    if (*end || !isfinite(number) || fabsl(number) > 9.2e18L)
        return false;
    *value = (struct moment){(int64_t)whole, (int64_t)((number - whole) * (long double)WHOLE)};
    return true;
}

/* ---- dates ---- */

/* n digits; *at moves behind them. */
static bool digits(const char **at, int n, int64_t *value) {
    *value = 0;
    for (int i = 0; i < n; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *value = 10 * *value + (**at - '0');
    }
    return true;
}

static bool skip(const char **at, char c) {
    bool there = **at == c;
    *at += there;
    return there;
}

/* Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is the
 * last of a year. */
static int64_t day_number(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

static bool parse_day(const char **at, int64_t *day_since) {
    static const int8_t days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!digits(at, 4, &year) || !skip(at, '-') || !digits(at, 2, &month) || !skip(at, '-') ||
        !digits(at, 2, &day) || year < 1 || month < 1 || month > 12 || day < 1 ||
        day > days[month - 1])
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *day_since = day_number(year, month, day);
    return leap || month != 2 || day <= 28;
}

/* "10:11", "10:11:12", "10:11:12.345". */
static bool parse_clock(const char **at, struct moment *value) {
    int64_t hour, minute, second = 0;
    if (!digits(at, 2, &hour) || !skip(at, ':') || !digits(at, 2, &minute))
        return false;
    if (skip(at, ':') && !digits(at, 2, &second))
        return false;
    if (skip(at, '.') || skip(at, ','))
        value->rest = fraction(at);
    value->seconds += 3600 * hour + 60 * minute + second;
    return hour <= 23 && minute <= 59 && second <= 60;
}

/* Nothing, "Z", " UTC", "+02", "+0200" or "+02:00". */
static bool parse_offset(const char **at, struct moment *value) {
    int64_t hours, minutes = 0;
    if (skip(at, 'Z') || skip(at, 'z') || !**at)
        return true;
    skip(at, ' ');
    if (!strcmp(*at, "UTC")) {
        *at += 3;
        return true;
    }
    int64_t sign = **at == '-' ? 1 : -1;
    if ((!skip(at, '+') && !skip(at, '-')) || !digits(at, 2, &hours))
        return false;
    skip(at, ':');
    if (**at && !digits(at, 2, &minutes))
        return false;
    value->seconds += sign * (3600 * hours + 60 * minutes);
    return hours <= 23 && minutes <= 59;
}

static bool parse_date(const char *text, struct moment *value) {
    int64_t day;
    if (!parse_day(&text, &day))
        return false;
    *value = (struct moment){86400 * day, 0};
    if (!*text)
        return true;
    if (!skip(&text, 'T') && !skip(&text, 't') && !skip(&text, ' '))
        return false;
    return parse_clock(&text, value) && parse_offset(&text, value) && !*text;
}

/* ---- a column ---- */

static void count_unit(struct times *times, int64_t line, int64_t number) {
    for (int u = 0; u < TIME_UNITS; u++)
        if (number / parts[u] >= YEAR_1990 && number / parts[u] < YEAR_2100) {
            if (times->in_unit[u]++ == 0)
                times->line_of[u] = line;
            return;
        }
    times->elsewhere += number > 0;
}

enum status times_add(struct times *times, const struct lines *lines, const char *text,
                      struct moment *value) {
    enum time_form form = parse_number(text, value) ? TIMES_NUMBERS
                          : parse_date(text, value) ? TIMES_DATES
                                                    : TIMES_NONE;
    if (form == TIMES_NONE)
        return lines_error(lines,
                           "the time '%.40s' is neither a number nor a date as 2014-09-18 or "
                           "2014-09-18T10:11:12Z; correct it",
                           text);
    if (times->form == TIMES_NONE) {
        times->form = form;
        times->first_line = lines->number;
    }
    if (form != times->form)
        return lines_error(lines,
                           "the time '%.40s' is a %s, but line %lld has a %s; give all times in "
                           "one form",
                           text, form == TIMES_DATES ? "date" : "number",
                           (long long)times->first_line, form == TIMES_DATES ? "number" : "date");
    times->count++;
    if (form == TIMES_NUMBERS)
        count_unit(times, lines->number, value->seconds);
    return STATUS_OK;
}

/* The unit of most numbers. */
static int usual_unit(const struct times *times) {
    int usual = 0;
    for (int u = 1; u < TIME_UNITS; u++)
        if (times->in_unit[u] > times->in_unit[usual])
            usual = u;
    return usual;
}

/* The first line with another unit than the usual one. */
static enum status check_mixed(const struct times *times, const char *path, int usual) {
    int other = -1;
    for (int u = 0; u < TIME_UNITS; u++)
        if (u != usual && times->in_unit[u] &&
            (other < 0 || times->line_of[u] < times->line_of[other]))
            other = u;
    if (other < 0)
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s:%lld: the time is in %s, but that of line %lld is in %s; give all times "
                     "in one unit",
                     path, (long long)times->line_of[other], unit_names[other],
                     (long long)times->line_of[usual], unit_names[usual]);
}

enum status times_unit(const struct times *times, const char *path, int *unit) {
    int usual = usual_unit(times);
    bool known = 2 * times->in_unit[usual] >= times->count;
    *unit = 0;
    if (times->form == TIMES_NONE)
        return STATUS_OK;
    if (times->form == TIMES_NUMBERS && (known || times->elsewhere == 0))
        TRY(check_mixed(times, path, usual));
    if (times->form == TIMES_NUMBERS && known)
        *unit = usual;
    log_info("%s: timestamps: %s", path,
             times->form == TIMES_DATES ? "dates of ISO 8601"
             : known                    ? unit_names[usual]
                     : "numbers that are no times from 1990 to 2100, taken as they are");
    return STATUS_OK;
}

struct moment times_seconds(struct moment value, int unit) {
    int64_t n = parts[unit], seconds = value.seconds / n, left = value.seconds % n;
    if (left < 0) {
        seconds--;
        left += n;
    }
    return (struct moment){seconds, left * (WHOLE / n) + value.rest / n};
}

/* Outcome of every call that can fail; the values are the program's exit codes.
 *
 * Whoever first decides that something is an error prints it (core/log.h) and returns the status;
 * callers forward it silently. Outputs are set only on success. */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_FAIL = 1,    /* internal or numerical failure */
    STATUS_INPUT = 2,   /* usage or bad input */
    STATUS_IO = 3,      /* the system refused a read or write */
    STATUS_PEER = 4,    /* another rank failed */
    STATUS_STOPPED = 75 /* stopped early with a checkpoint, or waited in vain: run me again */
};

#define CHECKED __attribute__((warn_unused_result))

/* Forward a failure to the caller. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_status = (call);                                                           \
        if (try_status != STATUS_OK)                                                               \
            return try_status;                                                                     \
    } while (0)

/* Store the outcome in `status` and leave for the clean-up label on failure. */
#define TRY_GOTO(status, call, label)                                                              \
    do {                                                                                           \
        (status) = (call);                                                                         \
        if ((status) != STATUS_OK)                                                                 \
            goto label;                                                                            \
    } while (0)

#endif

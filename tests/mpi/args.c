#include "jobs/launch/args.h"
#include "core/log.h"
#include "tests/mpitest.h"
#include <errno.h>

struct request {
    int64_t users;
    double share;
    const char *input;
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *request = state->input;
    switch (key) {
    case 'u':
        return args_integer(state, "--users", arg, 1, 1000, &request->users);
    case 's':
        return args_number(state, "--share", arg, 0, 1, &request->share);
    case ARGP_KEY_ARG:
        if (request->input) {
            argp_error(state, "one input, not '%s' too", arg);
            return EINVAL;
        }
        request->input = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no input");
        return EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
    {"users", 'u', "N", 0, "Users", 0}, {"share", 's', "X", 0, "Share", 0}, {0}};
static const struct argp argp = {options, parse, "INPUT", "A job.", NULL, NULL, NULL};
static struct request request;
static bool done;

/* Runs the parser on up to five words; the list ends with NULL. */
static enum status try(char **argv) {
    int argc = 0;
    while (argv[argc])
        argc++;
    request = (struct request){0};
    done = false;
    return args_parse(&test_comm, &argp, argc, argv, &request, &done);
}

#define TRY_ARGS(...) try((char *[]){"job", __VA_ARGS__, NULL})

MPI_TEST(args, reads_options_and_arguments, 2) {
    MPI_EXPECT(TRY_ARGS("--users=12", "in", "-s", "0.25") == STATUS_OK && !done);
    MPI_EXPECT(request.users == 12 && request.share == 0.25);
    MPI_EXPECT(request.input && !strcmp(request.input, "in"));
}

MPI_TEST(args, refuses_on_all_ranks, 2) {
    MPI_EXPECT(TRY_ARGS("--users=0", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("--users=1x", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("--users=99999999999999999999", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("--share=nan", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("--share=", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("--unknown", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("in", "--users") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("in", "out") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS("--log-level=loud", "in") == STATUS_INPUT);
    MPI_EXPECT(TRY_ARGS(NULL) == STATUS_INPUT);
}

MPI_TEST(args, helps, 2) {
    MPI_EXPECT(TRY_ARGS("--help") == STATUS_OK && done);
}

MPI_TEST(args, sets_the_log_level, 2) {
    bool root = test_comm.rank == 0;
    MPI_EXPECT(TRY_ARGS("--log-level", "debug", "in") == STATUS_OK);
    MPI_EXPECT(log_get_level() == (root ? LOG_DEBUG : LOG_ERROR));
    MPI_EXPECT(TRY_ARGS("-q", "in") == STATUS_OK);
    MPI_EXPECT(log_get_level() == (root ? LOG_WARN : LOG_ERROR));
}

/* One rank's refusal is every rank's. */
MPI_TEST(args, agrees, 3) {
    char *users = test_comm.rank == 2 ? "0" : "1";
    MPI_EXPECT(TRY_ARGS("-u", users, "in") == STATUS_INPUT);
}

MPI_TEST_MAIN()

/* Reverse-mode tape over layer-sized operations. Not collective.
 *
 * An operation computes its output at once, takes its memory from the tape's arena and, when the
 * tape records, pushes a closure. tape_backward runs the closures last to first. Gradients are
 * always added (+=); a buffer that nothing has written to yet is taken uninitialised with
 * tape_grad.
 *
 * The tape counts what its operations do. A dry tape does nothing else: operations make shapes and
 * closures, take their memory from a dry arena and leave their kernels out. So the cost of a step
 * is told by the program that takes it. */
#ifndef CORE_TAPE_H
#define CORE_TAPE_H
#include "core/arena.h"
#include "core/params.h"
#include "core/phase.h"
#include "core/tensor.h"
#include <stdbool.h>
#include <stdint.h>

struct collectives;
struct tape;
typedef void tape_backward_fn(struct tape *tape, void *node);

/* Called when the gradient of parameter `param` is complete on this rank. */
typedef void tape_ready_fn(void *context, int param);

enum { TAPE_INPUTS = 9 }; /* most of a node */

struct tape_node {
    tape_backward_fn *backward;
    struct tape_node *before;
    const struct tensor *output;
    int params[TAPE_INPUTS]; /* parameters this node adds gradients to, -1 for none */
    int replicas;            /* of the tape when it was pushed */
    bool everywhere;         /* run it even without a gradient of the output: other ranks do */
};

/* Useful work: operations of products, each once, without what is computed again; and the least
 * traffic with memory in bytes, as if every value was written once and read once. */
struct tape_work {
    double flops, bytes;
};

struct tape {
    struct arena arena;
    struct tape_node *last;
    bool record;
    bool bf16; /* linear layers and loss multiply in bfloat16; set after tape_begin */
    int param_count;
    int *param_uses; /* nodes yet to run, by parameter */

    bool dry;                      /* to be set before tape_begin */
    int replicas;                  /* of the operations that follow: so many parts of a step do the
                                    * same, of which each counts its share. 1 after tape_begin */
    enum phase phase;              /* that work belongs to; PHASE_FORWARD after tape_begin */
    struct tape_work work[PHASES]; /* since tape_begin */
    size_t tiles;                  /* bytes, the most that a loss took of the arena for itself */
    double shared;                 /* bytes of states, of rows made in parts and of the gradients of
                                    * both that ranks exchanged */

    /* The ranks that do the same as this one in the operations that follow, and may do a part each
     * (core/ops/parts.h). NULL: there are none, as after tape_begin. */
    const struct collectives *peers;
};

/* Start a step: forget everything; `record` false computes values only. `param_count` is the number
 * of parameters (0 without). The precision is float32. A zeroed struct tape is valid. */
void tape_begin(struct tape *tape, bool record, int param_count);
void tape_free(struct tape *tape);

/* An uninitialised tensor; `learned` when any input is. */
struct tensor *tape_tensor(struct tape *tape, int64_t rows, int64_t cols, bool learned);

/* A tensor over memory of the caller that takes no gradient (frozen table). */
struct tensor *tape_constant(struct tape *tape, const real *x, int64_t rows, int64_t cols);

/* The tensor of a parameter for this step; its gradient is the parameter's own buffer. */
struct tensor *tape_param(struct tape *tape, struct params *params, int index);

/* Push a node of `size` bytes whose first member is a struct tape_node, or return NULL when the
 * tape does not record or the output takes no gradient. `inputs` (at most TAPE_INPUTS, NULL
 * allowed) tell which parameters get gradients from it. The closure runs only if something added to
 * output->g: a rank without tokens of a stream computes item rows that nothing uses. */
void *tape_push(struct tape *tape, size_t size, const struct tensor *output,
                tape_backward_fn *backward, struct tensor *const *inputs, int n);

/* The gradient buffer of `t`, NULL if it takes none. *add is false when the buffer is new and holds
 * nothing yet: write it instead of adding. */
real *tape_grad(struct tape *tape, struct tensor *t, bool *add);

/* The same, zeroed when new: for operations that add to parts of it. */
real *tape_grad_zeroed(struct tape *tape, struct tensor *t);

/* The same, or numbers that nobody reads where it takes none. */
real *tape_grad_room(struct tape *tape, struct tensor *t);

/* Say that a kernel with so much useful work comes. False: leave it out, the tape is dry. */
bool tape_counts(struct tape *tape, double flops);
void tape_add_bytes(struct tape *tape, double bytes);

/* The rows that a kernel without products runs over: n, or none on a dry tape. */
static inline int64_t tape_rows(const struct tape *tape, int64_t n) {
    return tape->dry ? 0 : n;
}

/* Enter a phase, of the clock and of the tape's work; returns the one left. */
enum phase tape_enter(struct tape *tape, struct phases *phases, enum phase next);

/* Run the closures, as work of PHASE_BACKWARD. `ready` (may be NULL) is called once for every
 * parameter of the tape. */
void tape_backward(struct tape *tape, tape_ready_fn *ready, void *context);

#endif

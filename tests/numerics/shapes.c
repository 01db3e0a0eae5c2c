/* Inputs of wrong shapes, each the mistake of a model: the program ends before it computes. */
#include "check.h"
#include "core/catalogue/loss.h"
#include "core/ops/activation.h"
#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/mix.h"
#include "core/ops/norm.h"
#include "core/ops/tags.h"
#include <criterion/parameterized.h>
#include <signal.h>

enum { T = 4, D = 6 };

static struct tensor *zeros(struct tape *tape, int64_t rows, int64_t cols) {
    struct tensor *x = tape_tensor(tape, rows, cols, true);
    memset(x->x, 0, (size_t)(rows * cols) * sizeof *x->x);
    return x;
}

static const int64_t offsets[] = {0, 1, T};
static const int32_t rows[] = {0, 1, 2, 3};

static void linear_width(struct tape *tape) {
    op_linear(tape, zeros(tape, T, D), zeros(tape, 3, D + 1), NULL);
}

static void linear_bias(struct tape *tape) {
    op_linear(tape, zeros(tape, T, D), zeros(tape, 3, D), zeros(tape, 1, D));
}

static void layer_norm_gain(struct tape *tape) {
    op_layer_norm(tape, zeros(tape, T, D), zeros(tape, 1, D + 1), zeros(tape, 1, D), (real)1e-8);
}

static void unit_norm_eps(struct tape *tape) {
    op_unit_norm(tape, zeros(tape, T, D), 0);
}

static void residual_rows(struct tape *tape) {
    op_residual(tape, zeros(tape, T, D), zeros(tape, T + 1, D), &dropout_none);
}

static void exp_scale_of_vector(struct tape *tape) {
    op_exp_scale(tape, zeros(tape, T, D), zeros(tape, 1, 2), 1);
}

static void attention_heads(struct tape *tape) {
    op_attention(tape, zeros(tape, T, 3 * D), offsets, 2, 4, ATTEND_CAUSAL, &dropout_none);
}

static void attention_offsets(struct tape *tape) {
    op_attention(tape, zeros(tape, T + 1, 3 * D), offsets, 2, 2, ATTEND_CAUSAL, &dropout_none);
}

static void embed_width(struct tape *tape) {
    op_embed(tape, zeros(tape, T, D), rows, zeros(tape, T, D + 1), rows, T, 1, &dropout_none);
}

static void embed_without_index(struct tape *tape) {
    op_embed(tape, zeros(tape, T - 1, D), NULL, zeros(tape, T, D), rows, T, 1, &dropout_none);
}

static void join_rows(struct tape *tape) {
    op_join(tape, zeros(tape, T, D), zeros(tape, T + 1, D));
}

static void mix_parts(struct tape *tape) {
    struct gate_input part[GATE_INPUTS + 1];
    for (int k = 0; k <= GATE_INPUTS; k++)
        part[k] = (struct gate_input){.value = zeros(tape, T, D)};
    op_mix(tape, part, GATE_INPUTS + 1, T, D);
}

static void mix_width(struct tape *tape) {
    struct gate_input part = {.value = zeros(tape, T, D + 1)};
    op_mix(tape, &part, 1, T, D);
}

static void mix_score(struct tape *tape) {
    struct gate_input part = {.value = zeros(tape, T, D), .score = zeros(tape, T - 1, 1)};
    op_mix(tape, &part, 1, T, D);
}

static void tags_width(struct tape *tape) {
    static const int64_t none[T + 1];
    struct tag_table table = {.dim = D, .offsets = none};
    op_tags(tape, &table, NULL, T, zeros(tape, 1, D + 1), 1, (real)1e-8);
}

/* A loss over T candidates that is right but for what a case changes. */
static struct catalogue_loss good_loss(struct tape *tape) {
    struct tensor *items = zeros(tape, T, D);
    return (struct catalogue_loss){.heads = 1,
                                   .head = {{zeros(tape, T, D), items, items, 0}},
                                   .positions = T,
                                   .row = rows,
                                   .positive = rows,
                                   .candidates = T,
                                   .weight = 1};
}

static void loss_width(struct tape *tape) {
    struct catalogue_loss loss = good_loss(tape);
    loss.head[0].q = zeros(tape, T, D + 1);
    catalogue_loss(tape, &loss);
}

static void loss_candidates(struct tape *tape) {
    struct catalogue_loss loss = good_loss(tape);
    loss.lo = 1;
    catalogue_loss(tape, &loss);
}

static void loss_fusion(struct tape *tape) {
    struct catalogue_loss loss = good_loss(tape);
    loss.fusion_logits = zeros(tape, 1, 2);
    catalogue_loss(tape, &loss);
}

static void node_backward(struct tape *tape, void *node) {
    (void)tape, (void)node;
}

static void node_inputs(struct tape *tape) {
    struct tensor *x = zeros(tape, T, D), *inputs[TAPE_INPUTS + 1] = {x};
    tape_push(tape, sizeof(struct tape_node), x, node_backward, inputs, TAPE_INPUTS + 1);
}

static void parameter(struct tape *tape) {
    struct params none = {0};
    tape_param(tape, &none, 0);
}

/* What takes a pass over an array to see. */
#ifdef CDSR_DEBUG
static const int32_t beyond[] = {0, 1, 2, T};

static void gather_index(struct tape *tape) {
    op_gather(tape, zeros(tape, T, D), beyond, T);
}

static void embed_index(struct tape *tape) {
    op_embed(tape, zeros(tape, T, D), beyond, zeros(tape, T, D), rows, T, 1, &dropout_none);
}

static void attention_descending(struct tape *tape) {
    static const int64_t descending[] = {0, 3, 1, T};
    op_attention(tape, zeros(tape, T, 3 * D), descending, 3, 2, ATTEND_CAUSAL, &dropout_none);
}

static void mix_index(struct tape *tape) {
    struct gate_input part = {.value = zeros(tape, T, D), .index = beyond};
    op_mix(tape, &part, 1, T, D);
}

static void mix_column(struct tape *tape) {
    struct gate_input part = {
        .value = zeros(tape, T, D), .score = zeros(tape, T, 2), .column = beyond};
    op_mix(tape, &part, 1, T, D);
}

static void loss_row(struct tape *tape) {
    struct catalogue_loss loss = good_loss(tape);
    loss.row = beyond;
    catalogue_loss(tape, &loss);
}
#endif

static void (*const mistakes[])(struct tape *) = {
    linear_width,        linear_bias,       layer_norm_gain,
    unit_norm_eps,       residual_rows,     exp_scale_of_vector,
    attention_heads,     attention_offsets, embed_width,
    embed_without_index, join_rows,         mix_parts,
    mix_width,           mix_score,         tags_width,
    loss_width,          loss_candidates,   loss_fusion,
    node_inputs,         parameter,
#ifdef CDSR_DEBUG
    gather_index,        embed_index,       attention_descending,
    mix_index,           mix_column,        loss_row,
#endif
};

ParameterizedTestParameters(shapes, mistake) {
    static int number[sizeof mistakes / sizeof *mistakes];
    int count = (int)(sizeof number / sizeof *number);
    for (int i = 0; i < count; i++)
        number[i] = i;
    return cr_make_param_array(int, number, (size_t)count);
}

ParameterizedTest(int *number, shapes, mistake, .signal = SIGABRT) {
    struct tape tape = {0};
    tape_begin(&tape, true, 0);
    mistakes[*number](&tape);
}

/* The case that the losses above change is no mistake itself. */
Test(shapes, good_loss) {
    struct tape tape = {0};
    tape_begin(&tape, true, 0);
    struct catalogue_loss loss = good_loss(&tape);
    double sum = catalogue_loss(&tape, &loss);
    /* All logits are 0, and without hits the target counts beside the T candidates. */
    double want = T * log(T + 1);
    cr_expect(fabs(sum - want) <= 8 * want * (double)REAL_EPS, "%.9g, not %.9g", sum, want);
    tape_free(&tape);
}

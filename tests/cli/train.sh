# What train and evaluate refuse, on four ranks: one line, the same exit status on all of them, and
# what was good before stays.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 200 --seed 3 --features text:8 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 16, blocks: 1}
train: {epochs: 2, batch: 16}
YAML

# stops STATUS LINE ARGUMENT...
stops() {
    local status=$1 line=$2
    shift 2
    ranks 4 "$@" --log-level error
    statuses $(yes "$status" | head -n 4)
    says err "$line"
    says_nothing out
}

# good_run: the directory good/, a run of 20 steps.
good_run() {
    [ ! -e good/result.txt ] || return
    ranks 4 train run.yaml run.dir=good
    statuses 0 0 0 0
}

test_absent_files() { # A data set, checkpoint or run that is not there is refused.
    absent='cannot be read: No such file or directory; check the path'
    stops 3 "cdsr: error: nothere.h5: $absent" train run.yaml data.path=nothere.h5
    stops 3 "cdsr: error: nothere.h5: $absent" train run.yaml train.init=nothere.h5
    stops 3 "cdsr: error: nothere: $absent" evaluate nothere
}

test_absent_feature_table() { # A modality without a table is refused, with the tables that there are.
    stops 2 "cdsr: error: data.h5: has no feature table 'image'; it has: text; add one with 'cdsr features'" \
        train run.yaml 'model.modalities=[id, image]'
}

test_file_that_is_no_checkpoint() { # Training does not start from a data set.
    stops 2 'cdsr: error: data.h5: has no /state: it is no checkpoint, or damaged' \
        train run.yaml train.init=data.h5
}

test_cut_data_set() { # A data set that is cut is refused.
    head -c 20000 data.h5 >cut.h5
    ranks 4 train run.yaml data.path=cut.h5
    statuses 2 2 2 2
    has err 'cdsr: error: cut.h5: is not a complete HDF5 file'
}

test_loss_that_is_not_finite() { # Training ends with the step, the rank and the name of the loss.
    stops 1 'cdsr: error: step 2, rank 0: the loss '\''a'\'' is not finite; lower train.lr or check the '\
'feature tables' train run.yaml train.lr=1e30 run.dir=diverged
}

test_parameter_that_is_not_finite() { # It ends with the step, the rank and the element of the parameter.
    ranks 2 train run.yaml train.lr=1e39 run.dir=overflown
    statuses 1 1
    has err 'cdsr: error: step 2, rank 0: element 0 of '
}

test_cut_checkpoint() { # A checkpoint that is cut is refused.
    good_run
    head -c 50000 good/checkpoints/step-20.h5 >cut-step.h5
    ranks 4 evaluate cut-step.h5
    statuses 2 2 2 2
}

test_checkpoint_of_another_model() { # A checkpoint of another width is refused with both shapes.
    good_run
    ranks 4 evaluate good model.dim=8
    statuses 2 2 2 2
    has err 'good/checkpoints/step-20.h5: /param/embed.id: is [140, 16] where [140, 8] is expected'
}

test_weights_of_logit_fusion() { # Logit fusion has no weights: those that are given change nothing, a zero neither.
    ranks 2 train run.yaml run.dir=zero train.max_steps=2 model.fusion=logit 'model.fusion_weights=[0, 1]'
    statuses 0 0
}

test_ids_start_from_a_table() { # The id embedding starts from the first table of its width, unless told otherwise.
    ranks 2 train run.yaml run.dir=started train.max_steps=2 model.dim=8
    statuses 0 0
    has err 'the id embedding starts from table text'
    ranks 2 train run.yaml run.dir=random train.max_steps=2 model.dim=8 model.id_init=random
    statuses 0 0
    ranks 2 train run.yaml run.dir=wider train.max_steps=2
    statuses 0 0
    ! grep -q 'starts from' err || complain 'text is not as wide as the ids'
}

test_table_of_another_width() { # The id embedding does not start from a table of another width.
    stops 2 "cdsr: error: model.id_init: 'text' has 8 columns where model.dim is 16; make a table of that \
width with 'cdsr features'" train run.yaml model.id_init=text
}

test_full_disk() { # Where a disk is full at a checkpoint the earlier ones stay, and nothing is half-written.
    disk 4m
    ranks 4 train run.yaml run.dir=disk/run train.epochs=20 train.patience=0 checkpoint.keep=10
    statuses 3 3 3 3
    has err 'its space cannot be reserved: No space left on device'
    [ -n "$(ls disk/run/checkpoints)" ] || complain 'the first checkpoint is there'
    ls disk/run/checkpoints | grep -q tmp && complain 'nothing temporary is left'
    ranks 2 evaluate disk/run
    statuses 0 0
}

run_tests "$@"

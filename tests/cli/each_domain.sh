# eval.select_domain=each: each domain has a best epoch of its own, and its targets are ranked with it, in the
# results of training, by evaluate and by recommend; every figure says so.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 200 --seed 2 --valid 40 --test 20 --features text:6 -o data.h5
cat >run.yaml <<'YAML'
data: {path: data.h5}
model: {dim: 8, blocks: 1, dropout: 0.3, modalities: [id, text], attention_init: random}
train: {epochs: 12, batch: 64, lr: 0.03, schedule: constant, patience: 0}
eval: {select: mrr, select_domain: each}
checkpoint: {keep: 1}
YAML
label='per-domain best epochs'

# train DIRECTORY KEY=VALUE...: on two ranks.
train() {
    ranks 2 train "$work/run.yaml" run.dir="$@"
    statuses 0 0
}

# evaluations RUN DOMAIN: epoch and validation MRR of the domain as the log has them.
evaluations() {
    sed -n 's/.*"event": "eval".*"epoch": \([0-9]*\),.*"'"$2"'": {"mrr": \([0-9.e-]*\),.*/\1 \2/p' "$1/log.jsonl"
}

# epoch_of RUN DOMAIN: the first epoch with the greatest of them.
epoch_of() {
    evaluations "$@" | awk '$2 > best { best = $2; epoch = $1 } END { print epoch }'
}

# figures FILE DOMAIN: of metrics as JSON, what a domain's ranks decide in both splits.
figures() {
    sed -n '/^  "valid"/,/^  "popularity"/p' "$1" | sed -n '/^      "'"$2"'": {/,/^      }/p'
}

# best FILE: what metrics as JSON say of the best epochs.
best() {
    sed -n '/^  "best_epoch"/,/^  "epochs"/p' "$1"
}

train run
cp err run.err
a=$(epoch_of run A) b=$(epoch_of run B)
steps=$(losses run | awk 'END { print NR / 12 }')
file_a=run/checkpoints/step-$((a * steps)).h5 file_b=run/checkpoints/step-$((b * steps)).h5
[ "$a" != "$b" ] && [ "$a" -lt 12 ] && [ "$b" -lt 12 ] || complain "other best epochs, before the last one: $a, $b"

test_best_epochs() { # The best epochs are those of the log's evaluations; their checkpoints are kept.
    [ "$(best run/metrics.json | tr -d ' \n' | grep -o '"A":[0-9]*,"B":[0-9]*' | head -n 1)" = "\"A\":$a,\"B\":$b" ] ||
        complain "epochs $a and $b: $(best run/metrics.json)"
    has run/result.txt "; best epochs $a (A) and $b (B) of 12, by mrr of each domain, full"
    printf '%s\n' "$file_a" "$file_b" run/checkpoints/step-$((12 * steps)).h5 | sort -u |
        diff - <(printf '%s\n' run/checkpoints/* | sort) >&2 || complain 'both best checkpoints and the newest'
    for domain in A B; do
        sed -n 's/.*"event": "eval".*"best": {\(.*\)}.*/\1/p' run/log.jsonl | grep -n "\"$domain\": true" | cut -d : -f 1 |
            diff - <(evaluations run $domain | awk '$2 > best { best = $2; print $1 }') >&2 ||
            complain "$domain: which evaluations are better than those before"
    done
    grep -qE "epoch 1 valid mrr .* select mrr of each domain, full A 0\.[0-9]* best, B 0\.[0-9]* best" run.err ||
        complain "$(cat run.err)"
}

test_figures() { # The figures of each domain are those of its checkpoint alone, in training and by evaluate.
    "$CDSR" evaluate run -o run.json >/dev/null 2>&1 || complain evaluate
    "$CDSR" evaluate "$file_a" -o A.json >out 2>&1 || complain "evaluate: $(cat out)"
    "$CDSR" evaluate "$file_b" -o B.json >/dev/null 2>&1 || complain evaluate
    ! grep -q "$label" out A.json || complain "one checkpoint: $(cat out)"
    for domain in A B; do
        [ "$(figures $domain.json $domain | grep -c mrr)" = 2 ] || complain "$domain: two splits"
        for of in run.json run/metrics.json; do
            diff <(figures $of $domain) <(figures $domain.json $domain) >&2 || complain "$of: the figures of $domain"
        done
    done
    ! diff -q <(figures A.json B) <(figures B.json B) >/dev/null || complain 'the checkpoints have other figures'
    cmp <(figures run.json all) <(figures run/metrics.json all) >&2 || complain 'all of both'
    train without log.ranks=false
    cmp <(figures without/metrics.json '[ABal]*') <(figures run/metrics.json '[ABal]*') >&2 || complain 'without ranks'
}

test_computed_rows() { # Item rows that a model computes of its parameters are made anew for the other domain.
    train computed model.name=ncf model.modalities='[id]' train.lr=0.01
    steps=$(losses computed | awk 'END { print NR / 12 }')
    [ "$(epoch_of computed A)" != "$(epoch_of computed B)" ] || complain 'the domains have other best epochs'
    for domain in A B; do
        "$CDSR" evaluate computed/checkpoints/step-$(($(epoch_of computed $domain) * steps)).h5 -o $domain.json --overwrite \
            >/dev/null 2>&1 || complain evaluate
        diff <(figures computed/metrics.json $domain) <(figures $domain.json $domain) >&2 || complain "the figures of $domain"
    done
}

test_names() { # Every table and file calls the figures so, but not those of popularity.
    "$CDSR" evaluate run eval.candidates=both eval.exclude_history=true -o names.json >out 2>/dev/null || complain evaluate
    for kind in full sampled; do
        [ "$(grep -c " model  *$kind, history excluded, $label  *[0-9]" out)" = 6 ] || complain "$kind: $(cat out)"
        [ "$(grep -c " popularity  *$kind, history excluded  *[0-9]" out)" = 6 ] || complain "$kind: $(cat out)"
    done
    for file in run/metrics.json names.json; do has $file "\"epochs\": \"$label\""; done
    "$CDSR" report --costs --compare run run >out 2>/dev/null
    [ "$(grep -c "| full, $label |" out)" = 2 ] || complain "report: $(cat out)"
    has out "| $a (A), $b (B) | 12 |"
}

test_report_beside_another() { # A comparison with runs of one best epoch is called so too.
    train one eval.select_domain=auto
    "$CDSR" report --compare one run >out 2>err || complain "report: $(cat err)"
    [ "$(grep -c "^| auto | 1 | test | full |" out)" = 1 ] || complain "$(cat out)"
    [ "$(grep -c "^| each | 1 | test | full, $label |" out)" = 1 ] || complain "$(cat out)"
    grep -q "^| each | test | full, $label | 20 | [+-]" out || complain "$(cat out)"
}

test_evaluation_of_one_checkpoint() { # A report does not take figures of one of the checkpoints for the run's.
    cp -r run mixed
    "$CDSR" evaluate "$file_a" eval.exclude_history=true -o mixed/own.json >/dev/null 2>&1 || complain evaluate
    refused_here "mixed/own.json: is of one checkpoint, where the run's figures are those of $label; evaluate the run directory" \
        report --evaluation own.json mixed
    "$CDSR" evaluate run eval.exclude_history=true -o mixed/own.json --overwrite >/dev/null 2>&1 || complain evaluate
    "$CDSR" report --evaluation own.json mixed >out 2>err || complain "report: $(cat err)"
    has out "| test | full, history excluded, $label |"
}

test_lists() { # Each domain's lists are those of its checkpoint.
    printf 'u%d\t%s\t%s\n' 1 A1 B2 2 A30 A7 >histories.tsv
    "$CDSR" recommend run -i histories.tsv -o run.tsv >out 2>err || complain "recommend: $(cat err)"
    has out "; $label; listed in "
    "$CDSR" recommend "$file_a" -i histories.tsv -o A.tsv >/dev/null 2>&1 || complain recommend
    "$CDSR" recommend "$file_b" -i histories.tsv -o B.tsv >/dev/null 2>&1 || complain recommend
    ! cmp -s A.tsv B.tsv || complain 'the checkpoints have other lists'
    for domain in A B; do
        diff <(awk -v d=$domain '$2 == d' run.tsv) <(awk -v d=$domain '$2 == d' $domain.tsv) >&2 || complain "lists of $domain"
    done
    [ "$(grep -c . run.tsv)" = 41 ] || complain 'ten items of each domain for two users'
    "$CDSR" recommend run -i histories.tsv -o run.h5 >/dev/null 2>&1 || complain recommend
    for text in "$file_a" "$file_b" "$label"; do grep -qaF "$text" run.h5 || complain "run.h5: $text"; done
}

test_ranks_and_placement() { # Any number of ranks and either placement give the same figures.
    for keys in '1 eval.ties=mean' '3 train.placement=sharded' '4 train.reproducible=true'; do
        ranks ${keys% *} evaluate run ${keys#* } -o more.json --overwrite
        statuses $(yes 0 | head -n ${keys% *})
        diff <(figures more.json '[ABal]*') <(figures run/metrics.json '[ABal]*') >&2 || complain "$keys"
    done
}

test_reproducible() { # With train.reproducible the best epochs and every checkpoint are the same on any ranks.
    for n in 1 4; do
        within on-$n ranks $n train ../run.yaml data.path=../data.h5 run.dir=run train.reproducible=true
        statuses $(yes 0 | head -n $n)
    done
    diff <(best on-1/run/metrics.json) <(best on-4/run/metrics.json) >&2 || complain 'the same best epochs'
    diff -r on-{1,4}/run/checkpoints >&2 || complain 'the same checkpoints'
}

# killed RANK POINT COUNT KEY=VALUE...: a run that dies there and is resumed ends as `whole`, which nothing befell.
killed() {
    local at=$1:$2:$3
    shift 3
    export CDSR_TEST_KILL=$at
    (within "$at" ranks 2 train ../run.yaml data.path=../data.h5 run.dir=run "$@") 2>/dev/null
    unset CDSR_TEST_KILL
    [ ! -e "$at/run/metrics.json" ] || complain "$at: it dies"
    within "$at" train run data.path=../data.h5 "$@" --resume
    diff <(best whole/run/metrics.json) <(best "$at/run/metrics.json") >&2 || complain "$at: the same best epochs"
    cmp <(figures whole/run/metrics.json '[ABal]*') <(figures "$at/run/metrics.json" '[ABal]*') >&2 || complain "$at: the same figures"
    diff -r {whole,"$at"}/run/checkpoints >&2 || complain "$at: the same checkpoints"
}

test_killed_runs() { # Wherever a run dies, it goes on to the same two best epochs, keeping them.
    set -- train.schedule=plateau train.plateau_patience=0 checkpoint.every_s=1e-6
    within whole train run data.path=../data.h5 "$@"
    [ "$(epoch_of whole/run A)" != "$(epoch_of whole/run B)" ] || complain 'the domains have other best epochs'
    killed 0 rename 8 "$@"
    killed 1 step 20 "$@"
    killed 1 evaluate 5 "$@"
    killed 0 renamed 16 "$@"
    killed 0 report 1 "$@"
}

test_patience() { # Patience and plateau count the evaluations that are the best ones of neither domain.
    train patient train.epochs=60 train.patience=3 train.schedule=plateau train.plateau_patience=1
    has patient/log.jsonl '"reason": "patience"'
    later=$(printf '%s\n' "$(epoch_of patient A)" "$(epoch_of patient B)" | sort -n | tail -n 1)
    [ "$(evaluations patient A | wc -l)" = $((later + 3)) ] || complain "three evaluations after epoch $later"
    grep -q "epoch $((later + 2)): evaluations without improvement 2: learning rate" err || complain "$(cat err)"
}

test_resume() { # A run goes on by the figures that have selected so far, which other settings take anew.
    cp -r run longer
    ranks 2 train run.yaml run.dir=longer eval.select_domain=both train.epochs=13 --resume
    statuses 2 2
    has err ': its best epoch is that of the mrr of each domain, full, and those of the mrr of all, full may be gone; go on '
    has err 'eval.select=mrr, eval.select_domain=each'
    train longer eval.ties=pessimistic train.epochs=13 --resume
    has err "the best epoch so far, $a, now has mrr of each domain, full 0."
    has err "the best epoch so far, $b, now has mrr of each domain, full 0."
    [ "$(epoch_of longer B)" = 13 ] || grep -q "\"B\": $b\$" longer/metrics.json || complain "$(best longer/metrics.json)"
}

test_one_domain() { # With one domain, or one that is trained for, its best epoch is that of the run.
    train only train.target=a train.epochs=3
    has only/result.txt ' of 3, by mrr of A, full'
    synth --items-a 60 --items-b 0 --users 100 --seed 2 --features text:6 -o one.h5
    train one-domain data.path=one.h5 train.epochs=3
    has one-domain/result.txt ' of 3, by mrr of A, full'
    ! grep -rq "$label" only one-domain || complain 'one best epoch'
    train one-domain data.path=one.h5 train.epochs=4 --resume
}

test_nothing_to_rank() { # A domain without a target that has a rank goes with the other one, also in patience.
    synth --items-a 30 --items-b 1 --users 120 --seed 3 --valid 30 --features text:6 -o few.h5
    train few data.path=few.h5 train.epochs=60 train.patience=2
    has few/log.jsonl '"reason": "patience"'
    epoch=$(epoch_of few A)
    [ "$(best few/metrics.json | grep -c ": $epoch,\?\$")" = 2 ] || complain "epoch $epoch twice: $(best few/metrics.json)"
}

test_fitted_models() { # A model that is fitted has one epoch.
    train knn model.name=itemknn model.modalities='[id]' train.loss=auto
    has knn/result.txt '; best epochs 1 (A) and 1 (B) of 1, by mrr of each domain, full'
}

test_together() { # With other runs each ranks a domain with its own best epoch, and is told from them by both.
    train two run.seed=2 eval.select_domain=auto
    "$CDSR" evaluate run two -o together.json >out 2>err || complain "evaluate: $(cat err)"
    [ "$(grep -c " model  *full, $label, mean of 2 runs  *[0-9]" out)" = 6 ] || complain "$(cat out)"
    grep -qE "^run 1: .*, seed 1, step [0-9]+, parameters [0-9a-f]{16}, $file_a \(A\); step [0-9]+, parameters [0-9a-f]{16}, $file_b \(B\)\$" out ||
        complain "$(cat out)"
    for text in "$file_a" "$file_b"; do has together.json "\"checkpoint\": \"$text\""; done
    for domain in A B; do
        file=file_${domain,}
        "$CDSR" evaluate "${!file}" two -o apart.json --overwrite >/dev/null 2>&1 || complain evaluate
        diff <(figures together.json $domain) <(figures apart.json $domain) >&2 || complain "the figures of $domain"
    done
    refused_here "$file_b: has the parameters of run; give each run once" evaluate run "$file_b"
}

run_tests "$@"

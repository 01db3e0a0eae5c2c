# The papers' systems from titles and pictures, by the commands of jobs/README.md: these lines are run, on a small
# catalogue with small tables, against tests/chat_server.py and a CLIP model of random weights.
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/server.bash"
cd "$work" || exit 1
page=$(dirname "$script")/../../jobs/README.md

# The first block of commands below the heading, for what is here.
commands() {
    awk '/^## / { inside = /The papers. systems from raw items/ } inside && /^```/ { block++; next } inside && block == 1' \
        "$page" | sed "s|--model MODEL --endpoint URL|--model pretended --endpoint $endpoint|; s|clip-vit-base-patch32|clip|
            s|mpirun -n 4|mpirun -n 2|; s|--dim 128|--dim 8|; s|--pca 128|--pca 8|; s|cdsr |\$CDSR |"
}

test_commands() { # They lead to figures of the three models, each with all that it was made of.
    serve
    "$CDSR" synth --items-a 120 --items-b 80 --users 120 --topics 8 -o shop.h5 --pictures pictures >/dev/null
    "$python" "$(dirname "$script")/../clip_model.py" clip
    printf '%s\n' 'data: {path: shop.h5}' 'model: {dim: 8, blocks: 1}' 'train: {epochs: 1, batch: 32}' >shop.yaml
    commands >commands
    [ "$(grep -c CDSR commands)" = 13 ] || complain "13 commands: $(cat commands)"
    bash -euc '. ./commands' >out 2>err || complain "$(cat commands err)"
    for model in llm_emf tema_llm sema_cdr; do
        has out "| \`model.name=$model\`"
    done
    [ "$(grep -c ', VALID$' out)" = 3 ] || complain "three runs that are VALID: $(cat out)"
    [ "$(grep -c 'prompt: description' out)" -ge 2 ] || complain "LLM-EMF's and TEMA-LLM's text: $(cat out)"
    has out 'prompt: tags, refine'
    has out 'prompt: agnostic'
    has out 'prompt: specific'
    has out 'encoder: clip'
    [ "$(grep -c 'answers_sha256: ' out)" -ge 5 ] || complain "hashes of answers: $(cat out)"
}

run_tests "$@"

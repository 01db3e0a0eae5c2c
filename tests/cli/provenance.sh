# From prompt to metric: a table keeps what it was made of, a run tells it, and report --provenance prints
# the chain. The model is tests/chat_server.py.
. "$(dirname "$0")/common.bash"
. "$(dirname "$0")/server.bash"
cd "$work" || exit 1
said=(--model m --domain A=books --domain B=films --quiet)

# hashes NAME: the attributes of that name in data.h5, as they stand in its bytes.
hashes() {
    "$python" -c "import re
for found in re.findall(rb'$1\\0.{0,80}?([0-9a-f]{64})', open('data.h5', 'rb').read(), re.S):
    print(found.decode())"
}

# succeeds COMMAND...: of cdsr, with nothing said.
succeeds() {
    "$CDSR" "$@" >out 2>err || complain "$*: $(cat err)"
}

# trains RUN MODALITIES...: a short training of that name.
trains() {
    "$CDSR" train run.yaml run.dir="$1" model.modalities="$2" "${@:3}" --quiet >train.out 2>err || complain "train $1: $(cat err)"
}

# The chain: text by a model -> table -> run; tags by the model -> table -> run.
walking_folder shop 40 30 20 5
awk 'BEGIN { print "index\tdomain\tkey\ttitle"
    for (i = 0; i < 70; i++) printf "%d\t%s\tk\tThing %d of kind %d\n", i, i < 40 ? "A" : "B", i, i % 7 }' >shop/items.tsv
succeeds prepare --format c2dsr shop -o data.h5
serve
succeeds enrich data.h5 "${said[@]}" --name about --prompt description --endpoint "$endpoint"
prompt=$(hashes prompt_sha256)
answers=$(hashes answers_sha256)
succeeds enrich data.h5 "${said[@]}" --prompt tags --endpoint "$endpoint"
of_tags=$(hashes answers_sha256 | grep -vx "$answers")
[ ${#prompt}${#answers}${#of_tags} = 646464 ] || complain "three hashes: $prompt, $answers, $of_tags"
succeeds features data.h5 --name about --from text:about --dim 8
succeeds features data.h5 --name word --from titles --dim 4
succeeds features data.h5 --name tag --from tags --dim 4 --vocabulary
small_run 'epochs: 2, batch: 16, lr: 0.01'
trains run '[id, about, tag, word]'
kill "$server"
server=

# chain RUN: what is printed of it, in out.
chain() {
    ranks 1 report --provenance "$1"
    statuses 0
}

# under HEADING LINE: in out, the line stands below that heading, further in.
under() {
    awk -v heading="$1" -v line="$2" '
        function depth(text) { match(text, /^ */); return RLENGTH }
        inside && depth($0) <= at { inside = 0 }
        inside && substr($0, depth($0) + 1) == line { found = 1 }
        index($0, heading) == depth($0) + 1 { inside = 1; at = depth($0) }
        END { exit !found }' out || complain "'$2' under '$1' in: $(cat out)"
}

test_chain() { # It leads from the figures to the hashes that stand in the data set.
    ranks 2 report --provenance run
    statuses 0 0
    says_nothing err
    grep -qE '^run: llm_emf, VALID$' out || complain "$(cat out)"
    grep -qE '^  test, full candidates, history included: A MRR [0-9.]+ %, NDCG@10 [0-9.]+ %; B MRR [0-9.]+ %, .*; all MRR [0-9.]+ %, ' out ||
        complain "figures in: $(cat out)"
    has out "  configuration: $(sed -n 's/.*"config_hash": "\(.*\)".*/\1/p' run/metrics.json), seed 1"
    has out "  data: data.h5, content $(sed -n 's/.*"dataset_hash": "\(.*\)".*/\1/p' run/metrics.json)"
    under sources: "$(sha256sum shop/items.tsv | sed 's/ .*//')  items.tsv"
    under 'table about: lsa of text:about (answers of m to the prompt description)' "prompt_sha256: $prompt"
    under 'from text:about: answers of m to the prompt description' "answers_sha256: $answers"
    under 'from text:about: ' 'answered: 70'
    under 'from text:about: ' 'model: m'
    under 'from tags: answers of m to the prompt tags, refine' "answers_sha256: $of_tags"
    under 'table word: lsa of titles' 'from titles: it has no record of its own'
}

test_figures() { # Figures, split and evaluations are those that the tables would have.
    cp -r run own
    succeeds evaluate own eval.exclude_history=true -o own/own.json
    ranks 1 report --provenance --metrics mrr --split test --evaluation own.json own
    statuses 0
    [ "$(grep -c ' candidates, history ' out)" = 2 ] || complain "two protocols: $(cat out)"
    local of_all
    of_all=$("$python" -c "import json
print('%.2f %%' % (100 * json.load(open('own/own.json'))['test']['full']['all']['mrr']))")
    grep -q "^  test, full candidates, history excluded: A MRR .*; all MRR $of_all$" out || complain "$of_all in: $(cat out)"
}

test_vectors_of_tags() { # A model of tags tells of their vectors and of the tags.
    "$CDSR" train run.yaml run.dir=tema model.name=tema_llm model.tag_vectors=tag --quiet >train.out 2>err || complain "$(cat err)"
    chain tema
    under 'table ' 'source: tags'
    under 'tags: answers of m to the prompt tags, refine' "answers_sha256: $of_tags"
}

test_replaced_text() { # The record of a table is that of the text that it was made of.
    cp data.h5 other.h5
    cp data.h5.answers.jsonl other.h5.answers.jsonl
    serve
    succeeds enrich other.h5 "${said[@]}" --name about --prompt agnostic --endpoint "$endpoint" --overwrite
    trains replaced '[id, about]' data.path=other.h5
    chain replaced
    under 'from text:about: answers of m to the prompt description' "prompt_sha256: $prompt"
    under 'from text:about: ' "answers_sha256: $answers"
    succeeds features other.h5 --name about --from text:about --dim 8 --overwrite
    trains again '[id, about]' data.path=other.h5
    chain again
    has out 'from text:about: answers of m to the prompt agnostic'
    ! grep -q "$answers" out || complain "the text that was replaced is told of: $(cat out)"
}

test_prompt_that_reads_tags() { # A text of a prompt with {tags} leads to the tags that were read, not to later ones.
    cp data.h5 told.h5
    serve
    printf 'A sentence about a thing of these tags.\nProposed tags: {tags}\n' >sentence
    succeeds enrich told.h5 "${said[@]}" --name sentence --prompt sentence --endpoint "$endpoint"
    succeeds features told.h5 --make-tags=2 --from titles --overwrite --quiet
    succeeds features told.h5 --name sentence --from text:sentence --dim 4
    trains telling '[id, sentence]' data.path=told.h5
    chain telling
    under 'from text:sentence: answers of m to the prompt sentence' 'source: tags'
    under 'from tags: answers of m to the prompt tags, refine' "answers_sha256: $of_tags"
}

test_tags_of_terms() { # A table of tags that were made of the titles' words leads to these.
    cp data.h5 words.h5
    succeeds features words.h5 --make-tags=2 --from titles --overwrite --quiet
    succeeds features words.h5 --name tag --from tags --dim 2 --overwrite
    trains words '[id, tag]' data.path=words.h5
    chain words
    under 'from tags: the 2 terms of ' 'tags_per_item: 2'
    under 'from tags: the 2 terms of ' 'from titles: it has no record of its own'
}

test_encoder_behind_a_server() { # Its tables keep what they were made of, too.
    cp data.h5 vectors.h5
    serve
    succeeds features vectors.h5 --name far --from text:about --encoder server --model e --endpoint "$endpoint"
    trains vectors '[id, far]' data.path=vectors.h5
    chain vectors
    under 'table far: e of text:about' 'model: e'
    under 'from text:about: ' "answers_sha256: $answers"
}

test_evaluation() { # The figures of evaluate have the record, of several runs each its own.
    succeeds evaluate run -o one.json --overwrite
    "$python" -c "import json
a, b = (json.load(open(f)) for f in ('run/metrics.json', 'one.json'))
assert a['provenance'] == b['provenance'] and a['dataset'] == b['dataset']
assert a['provenance']['about']['from']['answers_sha256'] == '$answers'
assert a['tables']['about'].startswith('lsa of text:about')" || complain 'the same record'
    trains second '[id, about]' run.seed=2
    succeeds evaluate run second -o two.json --overwrite
    "$python" -c "import json
a = json.load(open('two.json'))
assert [sorted(r['provenance']) for r in a['runs']] == [['about', 'tag', 'word'], ['about']]" || complain 'of each run'
}

# changed NAME CODE: a copy of the run whose metrics.json, m, Python has changed.
changed() {
    cp -r run "$1"
    "$python" -c "import json
m = json.load(open('$1/metrics.json'))
$2
json.dump(m, open('$1/metrics.json', 'w'))"
}

test_older_runs() { # What was not kept is said of each table, and the rest is told.
    changed older "del m['provenance'], m['dataset']"
    chain older
    under 'table about: lsa of text:about (answers of m to the prompt description)' \
        'not recorded, the run is by an older program'
    under 'table word: lsa of titles' 'not recorded, the run is by an older program'
    under 'data: data.h5' 'not recorded, the run is by an older program'
    grep -q '^  best epoch: [12] of 2$' out || complain "$(cat out)"
    changed table "del m['provenance']['about']['from'], m['provenance']['tag']"
    chain table
    under 'table about: ' 'from text:about: not recorded, by an older program'
    under 'table tag: ' 'not recorded'
}

test_damaged_records() { # They are a line, and the rest is told.
    changed damaged "m['provenance']['about'] = {'a': {'b': '\x1b[1m'}}; m['provenance']['tag']['from'] = None; m['dataset'] = 3"
    chain damaged
    under 'table about: ' 'its record is damaged'
    under 'table tag: ' 'from tags: its record was damaged or too long'
    under 'data: data.h5' 'its record is damaged'
    under 'table word: lsa of titles' 'source: titles'
    changed no "m['schema'] = 2"
    ranks 1 report --provenance no run
    statuses 2
    has err 'no/metrics.json:1: is not metrics of schema 1'
    has out 'run: llm_emf, VALID'
}

test_unfinished_run() { # There are no figures, and that is said.
    cp -r run unfinished
    rm unfinished/metrics.json
    chain unfinished
    grep -q '^unfinished: llm_emf, unfinished, step ' out || complain "$(cat out)"
}

test_arguments() { # It stands in place of the tables.
    refused 'cdsr: error: report: --provenance: is text; leave --costs, --compare, --plot and --html out' \
        report --provenance --costs run
}

run_tests "$@"

# Tables made from titles, descriptions and tags, and tables reduced to principal components.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
cat >one.yaml <<'YAML'
data: {path: one.h5}
model: {name: tema_llm, modalities: [id], tag_vectors: tags}
YAML

ranks 1 synth --items-a 120 --items-b 80 --users 40 --topics 8 --tags --features wide:48 -o data.h5
statuses 0
cp data.h5 before.h5

ranks 2 features data.h5 --name text --from titles --encoder lsa --dim 16 --quiet
statuses 0 0
says_nothing err
has out 'data.h5: table text, 200 rows of 16 columns by lsa of titles, 0 missing'
has out 'singular values'
has out 'explained share'
ranks 3 features data.h5 --name tags --from tags --dim 8 --terms 20 --dtype f16 --quiet
statuses 0 0 0
has out 'data.h5: table tags, 200 rows of 8 columns by lsa of tags'
has out 'terms: 20 of '
ranks 4 features data.h5 --name small --from data.h5:/features/wide --pca 12 --whiten --quiet
statuses 0 0 0 0
has out 'data.h5: table small, 200 rows of 48 columns, 0 missing'
has out 'pca: 12 of 48 columns, whitened, explained variance 0.'
{ seq -f A%g 0 99; seq -f X%g 0 99; } >keys.txt
ranks 3 features data.h5 --name half --from data.h5:/features/wide --keys keys.txt --ignore-unknown \
    --pca 5 --quiet
statuses 0 0 0
has out 'data.h5: table half, 200 rows of 48 columns, 100 missing'
has out 'pca: 5 of 48 columns, explained variance 0.'
ranks 1 features data.h5 --name text --from titles --dim 16 --overwrite --quiet
statuses 0

# Tags of the items' own terms, from any number of ranks the same.
ranks 1 synth --items-a 120 --items-b 80 --users 40 --topics 8 -o one.h5
statuses 0
cp one.h5 bare.h5
cp one.h5 three.h5
ranks 1 features one.h5 --make-tags=3 --from titles --quiet
statuses 0
says_nothing err
has out ' tags made of titles, '
has out ' per item; 200 of 200 items have tags; '
ranks 3 features three.h5 --make-tags=3 --from titles --quiet
statuses 0 0 0
cmp one.h5 three.h5 || complain 'the tags of 1 and 3 ranks'
refused 'cdsr: error: one.h5: has tags already; give --overwrite to replace them' \
    features one.h5 --make-tags --from titles
cmp -s one.h5 three.h5 || complain 'one.h5 is as before'
ranks 2 features one.h5 --name tags --from tags --dim 4 --vocabulary --quiet
statuses 0 0
ranks 2 features one.h5 --make-tags --from titles --terms 9 --overwrite
statuses 0 0
has err 'warning: one.h5: the vectors of its former tags go with them; make them again with --vocabulary'
has out 'one.h5: 9 tags made of titles, '
refused "cdsr: error: one.h5: has no tag vectors 'tags'; it has: none; add some with 'cdsr features --vocabulary'" \
    train one.yaml
alone='cdsr: error: features: --make-tags: goes with --from titles or titles+description, --terms and --overwrite alone'
for more in '--name a' '--dim 4' --agnostic --vocabulary '--pca 2' '--keys keys.txt' '--dtype f16' '--from titles'; do
    # shellcheck disable=SC2086
    refused "$alone" features bare.h5 --make-tags --from titles $more
done
refused "$alone" features bare.h5 --make-tags --from tags
refused "$alone" features bare.h5 --make-tags --from a.npy
refused "cdsr: error: features: --make-tags: '0' is not an integer from 1 to 32767" \
    features bare.h5 --make-tags=0 --from titles
refused "cdsr: error: bare.h5: has no descriptions (a column 'description' of the items); prepare it again with them" \
    features bare.h5 --make-tags --from titles+description

good_folder
ranks 2 prepare --format c2dsr in -o poor.h5
statuses 0 0
refused 'cdsr: error: poor.h5: the titles have no term that at least 2 items share; give tags by '"'cdsr prepare' (tags.jsonl)" \
    features poor.h5 --make-tags --from titles

# Refused, and the data set stays as it was.
cp before.h5 data.h5
refused 'cdsr: error: data.h5: has no descriptions (a column '"'description'"' of the items); prepare it again with them' \
    features data.h5 --name text --from titles+description
refused "cdsr: error: data.h5: has a table 'wide' already; name another or give --overwrite" \
    features data.h5 --name wide --from titles
refused 'cdsr: error: features: --encoder: '"'clip'"' is not one of lsa' \
    features data.h5 --name text --from titles --encoder clip
refused "cdsr: error: features: --dim: '0' is not an integer from 1 to 32767" \
    features data.h5 --name text --from titles --dim 0
refused 'cdsr: error: features: --from titles: is alone, without files, --tensor, --keys and --mask' \
    features data.h5 --name text --from titles --mask a.npy
refused 'cdsr: error: features: --encoder, --dim and --terms are about --from titles, titles+description and tags' \
    features data.h5 --name text --from a.npy --dim 5
refused 'cdsr: error: features: --pca is about tables in files; give --dim' \
    features data.h5 --name text --from titles --pca 5
refused 'cdsr: error: features: --whiten is about --pca; give both or none' \
    features data.h5 --name text --from a.npy --whiten
refused 'cdsr: error: data.h5:/features/wide: has 48 columns, fewer than --pca 49; lower it' \
    features data.h5 --name text --from data.h5:/features/wide --pca 49
ranks 2 features data.h5 --name text --from titles --dim 500
statuses 2 2
has err 'too few for --dim 500; lower it'
cmp -s data.h5 before.h5 || complain 'data.h5 is as before'

# Descriptions come from items.tsv; items without a shared word are missing.
good_folder
printf 'index\tdomain\tkey\ttitle\tdescription\n0\tA\tk\tRed chair\tof oak\n1\tA\tk\tred\tOAK\n3\tB\tk\tstrange\tlone\n' \
    >in/items.tsv
ranks 2 prepare --format c2dsr in -o small.h5
statuses 0 0
ranks 3 features small.h5 --name text --from titles+description --dim 1 --quiet
statuses 0 0 0
has out 'small.h5: table text, 5 rows of 1 columns by lsa of titles+description, 3 missing'
has out 'terms: 2 of 2; '
printf '4\tB\tk\tfine\tcaf\xe9\n' >>in/items.tsv
ranks 1 prepare --format c2dsr in -o other.h5
statuses 2
says err 'cdsr: error: in/items.tsv:5: the description of item 4 is not UTF-8; convert the file with iconv'
finish

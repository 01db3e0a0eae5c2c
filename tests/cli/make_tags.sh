# Tags made of the items' own terms (cdsr features --make-tags), and what is refused of them.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

ranks 1 synth --items-a 120 --items-b 80 --users 40 --topics 8 -o bare.h5
statuses 0
cp bare.h5 one.h5
ranks 1 features one.h5 --make-tags=3 --from titles --quiet
statuses 0
says_nothing err
cp out made

test_tags_of_titles() { # Every item has its tags, and their numbers are said.
    has made ' tags made of titles, '
    has made ' per item; 200 of 200 items have tags; '
}

test_ranks() { # Any number of ranks makes the same tags.
    cp bare.h5 three.h5
    ranks 3 features three.h5 --make-tags=3 --from titles --quiet
    statuses 0 0 0
    cmp one.h5 three.h5 || complain 'the tags of 1 and 3 ranks'
}

test_tags_that_are_there() { # They are not replaced unasked.
    cp one.h5 before.h5
    refused 'cdsr: error: one.h5: has tags already; give --overwrite to replace them' \
        features one.h5 --make-tags --from titles
    cmp -s one.h5 before.h5 || complain 'one.h5 is as before'
}

test_overwrite() { # With the former tags go their vectors, with a warning.
    cp one.h5 again.h5
    cat >again.yaml <<'YAML'
data: {path: again.h5}
model: {name: tema_llm, modalities: [id], tag_vectors: tags}
YAML
    ranks 2 features again.h5 --name tags --from tags --dim 4 --vocabulary --quiet
    statuses 0 0
    ranks 2 features again.h5 --make-tags --from titles --terms 9 --overwrite
    statuses 0 0
    has err 'warning: again.h5: the vectors of its former tags go with them; make them again with --vocabulary'
    has out 'again.h5: 9 tags made of titles, '
    refused "cdsr: error: again.h5: has no tag vectors 'tags'; it has: none; add some with 'cdsr features --vocabulary'" \
        train again.yaml
}

test_options() { # Options and sources of other tables do not go with it.
    alone='cdsr: error: features: --make-tags: goes with --from titles or titles+description, --terms and --overwrite alone'
    for more in '--name a' '--dim 4' --agnostic --vocabulary '--pca 2' '--keys keys.txt' '--dtype f16' '--from titles'; do
        # shellcheck disable=SC2086
        refused "$alone" features bare.h5 --make-tags --from titles $more
    done
    refused "$alone" features bare.h5 --make-tags --from tags
    refused "$alone" features bare.h5 --make-tags --from a.npy
}

test_number_of_tags() { # A number of tags per item is at least 1.
    refused "cdsr: error: features: --make-tags: '0' is not an integer from 1 to 32767" \
        features bare.h5 --make-tags=0 --from titles
}

test_no_descriptions() { # Descriptions have to be in the data set.
    refused "cdsr: error: bare.h5: has no descriptions (a column 'description' of the items); prepare it again with them" \
        features bare.h5 --make-tags --from titles+description
}

test_no_shared_term() { # Titles without a term that two items share make no tags.
    good_folder
    ranks 2 prepare --format c2dsr in -o poor.h5
    statuses 0 0
    refused 'cdsr: error: poor.h5: the titles have no term that at least 2 items share; give tags by '"'cdsr prepare' (tags.jsonl)" \
        features poor.h5 --make-tags --from titles
}

run_tests "$@"

# Configurations that are refused: one line with file and line, the same exit status everywhere.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1
printf 'train: {epochs: 1}\n' >good.yaml

test_unknown_key() { # A key that there is not is refused with its line and the key that may be meant.
    printf 'train:\n  epochs: 1\n  lrr: 1\n' >key.yaml
    refused "cdsr: error: key.yaml:3: unknown key 'train.lrr'; did you mean 'train.lr'?" train key.yaml
}

test_unknown_section() { # So is a section.
    printf 'trian: {epochs: 1}\n' >section.yaml
    refused "cdsr: error: section.yaml:1: unknown section 'trian'; did you mean 'train'?" \
        train section.yaml
}

test_value_out_of_its_range() { # A value is refused with the range of its key.
    printf 'train:\n  lr: fast\n' >value.yaml
    refused "cdsr: error: value.yaml:2: train.lr: 'fast' is not a number in [0, inf) or auto" train value.yaml
}

test_syntax() { # What is not YAML is refused with its line.
    printf 'train: {lr: 1\n' >syntax.yaml
    ranks 4 train syntax.yaml
    statuses 2 2 2 2
    has err 'cdsr: error: syntax.yaml:2: not YAML: '
    [ "$(wc -l <"$work/err")" = 1 ] || complain "one line, but: $(cat "$work/err")"
}

test_command_line() { # The keys of the command line are checked as those of the file.
    refused "cdsr: error: command line: unknown key 'model.dropuot'; did you mean 'model.dropout'?" \
        train good.yaml model.dropuot=0.1
    refused "cdsr: error: command line: 'fast' is not key=value" train good.yaml fast
}

test_unknown_choice() { # A name that is none of the choices is refused with all of them.
    names=$("$CDSR" --reference | sed -n 's/^| `model.name` .*| the model: \(.*\) |$/\1/p')
    [ -n "$names" ] || complain 'the reference names the models'
    refused "cdsr: error: model.name: 'none' is not one of $names" train good.yaml model.name=none
}

test_keys_that_do_not_fit() { # Keys that do not fit each other are refused.
    refused 'cdsr: error: model.heads: 3 heads do not divide model.dim 128' train good.yaml model.heads=3
}

test_absent_file() { # A file that is not there has another exit status.
    ranks 4 train absent.yaml
    statuses 3 3 3 3
    says err 'cdsr: error: absent.yaml: No such file or directory'
}

run_tests "$@"

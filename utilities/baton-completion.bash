# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Completion of baton(1) and baton-ctl(8) for bash: commands, options, and the
# sessions, devices and transfers that there are now.

# _baton_words WORD...: those that begin with what is being typed.
_baton_words() {
    local current=${COMP_WORDS[COMP_CWORD]}
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$current")
}

# _baton_column N PROGRAM...: column N of the table that PROGRAM prints.  Asks
# with the options that are on the line, and waits for one second only.
_baton_column() {
    local n=$1
    shift
    timeout 1 "$@" --format=csv --no-headings 2>/dev/null | cut -d , -f "$n"
}

# Stores in $words what is on the line before the cursor without options, and
# in $options those that say whom to ask.
_baton_parse() {
    local i word
    words=() options=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -t | --target | --socket)
            # bash makes three words of --socket=FILE.
            [ "${COMP_WORDS[i + 1]-}" != = ] || ((i++))
            options+=("$word" "${COMP_WORDS[i + 1]-}")
            ((i++))
            ;;
        -f | --format | -T | --timeout | --service | -d | --data | -v)
            [ "${COMP_WORDS[i + 1]-}" != = ] || ((i++))
            ((i++))
            ;;
        -*) ;;
        *) words+=("$word") ;;
        esac
    done
}

# Completes the argument of an option.  Fails if there is none to complete.
_baton_option_argument() {
    local previous=${COMP_WORDS[COMP_CWORD - 1]}
    [ "$previous" != = ] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    case $previous in
    -f | --format) _baton_words table list html csv json ;;
    -t | --target | --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]#=}")
        compopt -o filenames 2>/dev/null
        ;;
    -T | --timeout | --service) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_baton() {
    local words options
    COMPREPLY=()
    ! _baton_option_argument || return 0
    _baton_parse
    case ${COMP_WORDS[COMP_CWORD]} in
    -*)
        _baton_words --service= --onward= --whole --mapping --socket= --timeout= --format= --no-headings \
            --pretty --help --version
        compopt -o nospace 2>/dev/null
        return 0
        ;;
    esac
    case ${#words[@]}:${words[0]-} in
    0:*) _baton_words sessions devices move wake release watch log help ;;
    1:wake | 1:release)
        _baton_words "$(_baton_column 3 baton "${options[@]}" sessions)"
        ;;
    1:move)
        # Names and ids.
        _baton_words "$(_baton_column 1 baton "${options[@]}" sessions)" \
            "$(_baton_column 2 baton "${options[@]}" sessions)"
        ;;
    2:move)
        _baton_words "$(_baton_column 1 baton "${options[@]}" devices)"
        ;;
    esac
}

_baton_ctl() {
    local words options
    COMPREPLY=()
    ! _baton_option_argument || return 0
    _baton_parse
    case ${COMP_WORDS[COMP_CWORD]} in
    -*)
        _baton_words --target= --timeout= --db= --last --force --format= --no-headings \
            --pretty --help --version
        [ "${COMPREPLY[*]}" = --last ] || compopt -o nospace 2>/dev/null
        return 0
        ;;
    esac
    case ${#words[@]}:${words[*]} in
    0:*) _baton_words show devices sessions mappings movable transfers transfer trace bridge detach attach policy ;;
    1:transfer) _baton_words timeline ;;
    1:bridge) _baton_words prepare ;;
    1:detach | 1:attach)
        _baton_words "$(timeout 1 baton-ctl "${options[@]}" --format=csv show \
            2>/dev/null |
            awk -F, '/^name,datapath_id/ { on = 1; next } /^$/ { on = 0 }
                     on { print $1 }')"
        ;;
    1:policy) _baton_words check reload ;;
    1:trace)
        _baton_words "$(_baton_column 2 baton-ctl "${options[@]}" sessions)"
        if declare -F __ltrim_colon_completions >/dev/null; then
            __ltrim_colon_completions "${COMP_WORDS[COMP_CWORD]}"
        fi
        ;;
    "2:transfer timeline")
        _baton_words --last \
            "$(_baton_column 1 baton-ctl "${options[@]}" transfers)"
        ;;
    *:"policy check"*)
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
        compopt -o filenames 2>/dev/null
        ;;
    esac
}

complete -F _baton baton
complete -F _baton_ctl baton-ctl

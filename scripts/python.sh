# Sourced by scripts/setup: finds a Python that is new enough, and prints messages.

say() {
    echo "setup: $*"
}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# usable PYTHON: whether it runs and is new enough.
usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'
}

# wanted_version PYTHON: whether it has the version of $PYTHON, if that is set.
wanted_version() {
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON" 2>/dev/null)" = "$(version_of "$1")" ]
}

# has_outer_pip PYTHON: whether its pip can fill an environment without pip (pip 22.3 and later).
has_outer_pip() {
    "$1" -m pip --help 2>/dev/null | grep -q -e '--python '
}

# Print the first Python that can create an environment with pip, else the first new enough.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || fail "\$PYTHON ($PYTHON) is not Python 3.11 or later"
        echo "$PYTHON"
        return
    fi
    first=
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        path=$(command -v "$name" 2>/dev/null) || continue
        usable "$path" || continue
        if "$path" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$path"
            return
        fi
        first=${first:-$path}
    done
    [ -n "$first" ] || fail "no Python 3.11 or later on PATH; install one, or choose one: make PYTHON=/path/to/python3"
    echo "$first"
}

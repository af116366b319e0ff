#!/bin/sh
# deps.sh REASON PACKAGE...: installs the Debian packages that are not there yet, saying which and why. Does nothing,
# and needs no rights, when all are there. Elsewhere than on Debian it only says what will be needed.
set -eu
reason=$1
shift
command -v "${CC:-gcc}" >/dev/null 2>&1 || set -- gcc "$@"
if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "deps: no apt here; $reason, these Debian packages (or their like) are needed: $*" >&2
    exit 0
fi
missing=
for package; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true) in
    *'ok installed') ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "deps: $reason, these packages are missing:$missing" >&2
        echo "deps: become root, or install sudo, and run: apt-get install --no-install-recommends$missing" >&2
        exit 1
    }
    as_root='sudo'
fi
echo "deps: $reason, installing with apt:$missing" >&2
run_apt() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >&2
}
# The lists may be there and fresh enough; only if the install fails are they fetched.
# shellcheck disable=SC2086
if ! run_apt install -y --no-install-recommends $missing >/dev/null 2>&1; then
    run_apt update
    run_apt install -y --no-install-recommends $missing
fi

#!/bin/sh
# The Debian packages that some tests drive: says which are missing, and as root installs them.
#
#   tools/system_packages.sh          install what is missing; never fails
#   tools/system_packages.sh --list   only their names
#
# HUNMIN_NO_APT=1: only say what is missing. hunmin itself needs none of them.
set -u

PACKAGES="
chromium
fonts-noto-cjk
iproute2
munge
slurm-client
slurm-wlm-basic-plugins
slurmctld
slurmd
"

if [ "${1:-}" = --list ]; then
    printf '%s\n' $PACKAGES
    exit 0
fi

if ! command -v dpkg-query >/dev/null; then
    echo "make: not a Debian system; tests that drive these programs are skipped where they are absent:" $PACKAGES
    exit 0
fi

missing() {
    for package in $PACKAGES; do
        status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)
        [ "$status" = installed ] || printf '%s ' "$package"
    done
}

# A dead network or another apt must not hold up the tests for long.
apt() {
    DEBIAN_FRONTEND=noninteractive timeout 900 apt-get --quiet --quiet --yes \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" -eq 0 ] && [ -z "${HUNMIN_NO_APT:-}" ] && command -v apt-get >/dev/null; then
    echo "make: installing ${wanted% }"
    apt install --no-install-recommends $wanted || { apt update && apt install --no-install-recommends $wanted; }
    wanted=$(missing)
    [ -n "$wanted" ] || exit 0
    echo "make: apt-get could not install ${wanted% }; the tests that need them are skipped"
else
    echo "make: not installed: ${wanted% }; the tests that need them are skipped. As root: apt-get install ${wanted% }"
fi
exit 0

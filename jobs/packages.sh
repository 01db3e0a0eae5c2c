#!/usr/bin/env bash
# Install the Debian packages that building, running and testing need, those that are missing; or, if
# any are named, these:
#   jobs/packages.sh [PACKAGE...]
# Exit status 2 when something is missing and this user may not install it.
set -eu

packages=(build-essential cmake ninja-build pkg-config openmpi-bin libopenmpi-dev
    libscalapack-openmpi-dev libopenblas-pthread-dev libhdf5-openmpi-dev libcriterion-dev
    libjansson-dev libssl-dev libyaml-dev libunistring-dev zlib1g-dev libcurl4-openssl-dev libjpeg-dev
    libpng-dev libwebp-dev gnuplot-nox)
[ $# = 0 ] || packages=("$@")

if ! command -v dpkg-query >/dev/null; then
    echo "packages.sh: not a Debian system; these are needed: ${packages[*]}" >&2
    exit 0
fi
missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=none
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "packages.sh: missing packages; as root: apt-get install --no-install-recommends" \
        "${missing[*]}" >&2
    exit 2
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

#!/usr/bin/env bash
# Proves by hand that a fresh Debian with git, make and Rust needs nothing else (takes about half an hour):
#
#   sudo tests/fresh-machine.sh                    make test, then make demo, as root
#   sudo tests/fresh-machine.sh --user build       make build, as an ordinary user with sudo
#
# An empty Debian 12 is made with debootstrap in a directory under /tmp (--keep leaves it there), this machine's Rust
# toolchain is bound into it read-only, and the last commit is cloned and made there. Network and ports are this machine's:
# 8080, 8001-8003 and 9900 must be free for the demo.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "must be root: debootstrap, chroot and mount" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "needs debootstrap: apt-get install debootstrap" >&2; exit 2; }

# Own mounts and processes: both are gone when this script ends, however it ends.
if [ -z "${FRESH_INSIDE:-}" ]; then
    repo=$(cd "$(dirname "$0")/.." && pwd)
    root=$(mktemp -d /tmp/fresh-machine.XXXXXX)
    chmod 755 "$root"                   # an ordinary user has to get in
    keep=no
    [ "${1:-}" != --keep ] || { keep=yes; shift; }
    FRESH_INSIDE=1 FRESH_ROOT=$root FRESH_REPO=$repo unshare --mount --pid --fork --kill-child "$0" "$@" &
    inside=$!
    # Its end, by a signal too, ends all processes inside; only then can the directory go.
    clean_up() {
        kill -KILL "$inside" 2>/dev/null || true
        wait "$inside" 2>/dev/null || true
        [ $keep = yes ] || rm -rf --one-file-system "$root"
    }
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    wait "$inside"
    exit
fi

user=root
[ "${1:-}" != --user ] || { user=builder; shift; }
[ $# -gt 0 ] || set -- test demo

root=$FRESH_ROOT
toolchain=$(rustc --print sysroot)
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 | tr -d " " || true)

echo "== Debian 12 in $root"
# Without recommended packages: what is there is what git and make need.
debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$root" "${mirror:-http://deb.debian.org/debian}" \
    >"$root/bootstrap.log" 2>&1 || { tail -n 20 "$root/bootstrap.log" >&2; exit 1; }

# A mount of its own, which containers of a Docker engine inside need.
mount --bind "$root" "$root"

# The network as this machine has it: names, and authorities that an office's proxy may need.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
# A Docker engine, which tests start, looks for its control groups there.
mount --rbind /sys "$root/sys"

# Rust as rustup would leave it: cargo on the PATH, a home of its own for what it downloads.
mkdir -p "$root/opt/rust"
mount --bind "$toolchain" "$root/opt/rust"
mount -o remount,bind,ro "$root/opt/rust"

if [ $user != root ]; then
    chroot "$root" sh -c "apt-get -q update && apt-get -q -y install --no-install-recommends sudo" >/dev/null
    chroot "$root" useradd --create-home --shell /bin/bash $user
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
fi

# A command in the new machine, in the clone, with an environment of its own.
home=$(chroot "$root" getent passwd $user | cut -d: -f6)
inside() {
    chroot --userspec="$user" "$root" env -i HOME="$home" USER="$user" LANG=C.UTF-8 \
        PATH="$home/.cargo/bin:/opt/rust/bin:/usr/local/bin:/usr/bin:/bin$([ $user != root ] || echo :/usr/sbin:/sbin)" \
        sh -c "$1"
}

# The processes of the new machine with one of these names: only they are in this script's own process namespace.
running() {
    grep -lxE "$1" "$root"/proc/[0-9]*/comm 2>/dev/null | sed 's|.*/proc/||; s|/comm||'
}

git clone -q --no-hardlinks "$FRESH_REPO" "$root$home/wharf"
chroot "$root" chown -R "$user:" "$home/wharf"

for target in "$@"; do
    echo "== make $target as $user"
    began=$SECONDS
    if [ "$target" = demo ]; then
        inside "cd $home/wharf && make build"
        inside "cd $home/wharf && exec make demo" &
        demo=$!
        until curl -fsS --max-time 2 http://127.0.0.1:8080/v1/user/1; do
            kill -0 $demo || { echo "the demo ended" >&2; exit 1; }
            [ $((SECONDS - began)) -lt 1800 ] || { echo "the demo does not answer" >&2; exit 1; }
            sleep 1
        done
        curl -fsS http://127.0.0.1:8080/v1/cart/1
        curl -fsS http://127.0.0.1:9900/metrics | grep -m 1 wharf_
        # As Ctrl-C would, to the program itself.
        for proc in $(running wharf); do kill -INT "$proc"; done
        wait $demo || true
    else
        inside "cd $home/wharf && make $target"
    fi
    echo "== make $target: $((SECONDS - began)) s"
done

[ -z "$(running 'nginx|haproxy|prometheus|dockerd|containerd')" ] || { echo "the set-up left a service running" >&2; exit 1; }
echo "== done"

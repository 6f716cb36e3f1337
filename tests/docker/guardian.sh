# Runs an engine in its folder, does what it is ordered to, and leaves nothing behind when its orders end, which they do with the program
# that gives them: guardian.sh NICENESS FLAG…, in the folder.
here=$PWD
start() {
    niceness=$1
    shift
    nice -n "$niceness" dockerd -H "unix://$here/docker.sock" --data-root "$here/data" --exec-root "$here/exec" --pidfile "$here/pid" \
        --bridge=none --iptables=false --ip6tables=false "$@" >>log 2>&1 &
    engine=$!
}
start "$@"
while read -r order; do
    case $order in
        kill) kill -9 $engine; wait $engine; rm -f pid docker.sock exec/containerd/containerd.pid ;;
        start) start "$@" ;;
    esac
done
export DOCKER_HOST="unix://$here/docker.sock"
docker swarm leave --force
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes
docker network ls --quiet --filter type=custom | xargs --no-run-if-empty docker network rm
kill $engine
wait $engine
# an engine that was killed leaves its mounts, and may forget who runs
for shim in $(grep -lF "$here/exec" /proc/[0-9]*/cmdline | cut -d / -f 3); do
    kill -9 $(cat "/proc/$shim/task/$shim/children") "$shim"
done
grep " $here/" /proc/mounts | cut -d ' ' -f 2 | sort -r | xargs --no-run-if-empty umount --lazy
cd /
rm -rf --one-file-system "$here"

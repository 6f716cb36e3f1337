//! The Debian package: made by its script, installed, upgraded and removed in an empty Debian.

use std::process::Command;

use crate::deploy_engine::*;

#[test]
fn the_package_installs_keeps_what_was_edited_and_leaves_nothing_when_it_is_purged() {
    if !has(&["dpkg-deb", "objdump"]) {
        return;
    }
    let Some(engine) = engine() else { return };
    let folder = scratch("package");
    let mut build = Command::new(root().join("deploy/debian/build"));
    // packing tightly takes long
    build.arg(stripped()).arg(&folder).env("DPKG_DEB_COMPRESSOR_TYPE", "none").env("SOURCE_DATE_EPOCH", "1767323045");
    let package = done(build.env("DEBEMAIL", "me@example.com")).trim().to_owned();
    let field = |name: &str| done(Command::new("dpkg-deb").args(["--field", &package, name])).trim().to_owned();
    assert_eq!((field("Package"), field("Version")), ("wharf".to_owned(), format!("{}-1", env!("CARGO_PKG_VERSION"))));
    assert_eq!(field("Maintainer"), "The wharf developers <me@example.com>");
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));

    let script = r#"
        set -e
        dpkg --install /package/*.deb
        [ -z "$(dpkg --verify wharf)" ]
        getent passwd wharf | grep -q ':/var/lib/wharf:/usr/sbin/nologin$'
        [ "$(wharf version | head -c 6)" = 'wharf ' ]
        wharf check --strict /etc/wharf/gateway.yaml
        [ -f /usr/lib/systemd/system/wharf.service ] && [ -f /usr/lib/systemd/system/wharf-agent.service ] && [ -f /usr/lib/sysusers.d/wharf.conf ] && [ -f /etc/logrotate.d/wharf ]
        # what the first line of the configuration names for editors is there
        [ -f "$(sed -n '1s/.*schema=//p' /etc/wharf/gateway.yaml)" ]
        zcat /usr/share/man/man1/wharf.1.gz | grep -q '^.SH SYNOPSIS'
        for command in $(zcat /usr/share/man/man1/wharf.1.gz | sed -n 's/^wharf\\-\([a-z-]*\)(1)$/\1/p'); do
            [ -f /usr/share/man/man1/wharf-$command.1.gz ] || [ $command = help ] || [ $command = man ] || [ $command = version ] || [ $command = config ] || [ $command = agent ] || { echo "no page of $command"; exit 1; }
        done
        bash -n /usr/share/bash-completion/completions/wharf
        grep -q '#compdef wharf' /usr/share/zsh/vendor-completions/_wharf
        grep -q 'complete -c wharf' /usr/share/fish/vendor_completions.d/wharf.fish
        # it runs as its user, from what it was given
        install -d -o wharf /tmp/state
        setpriv --reuid=wharf --regid=wharf --clear-groups env STATE_DIRECTORY=/tmp/state wharf run >/tmp/log 2>&1 & gateway=$!
        for turn in $(seq 100); do wharf status --ready 2>/dev/null && break; sleep 0.1; done
        wharf status | grep -q "wharf .* is ready, process $gateway"
        kill $gateway; wait $gateway
        # an upgrade leaves what was edited
        echo '# mine' >>/etc/wharf/gateway.yaml
        dpkg --install /package/*.deb
        grep -q '^# mine' /etc/wharf/gateway.yaml
        dpkg --remove wharf
        [ ! -e /usr/bin/wharf ] && [ -f /etc/wharf/gateway.yaml ]
        install -d /var/lib/wharf /var/log/wharf
        dpkg --purge wharf
        [ ! -e /etc/wharf ] && [ ! -e /etc/logrotate.d/wharf ] && [ ! -e /var/lib/wharf ] && [ ! -e /var/log/wharf ]
        echo installed, upgraded, purged
    "#;
    let mounted = format!("{}:/package:ro", folder.display());
    let run = ["run", "--rm", "--network=none", "--volume", &mounted, engine.base(), "bash", "-c", script];
    let output = engine.docker().args(run).output().unwrap();
    assert!(all(&output).contains("installed, upgraded, purged"), "{}", all(&output));
    std::fs::remove_dir_all(folder).unwrap();
}

//! What a host is given beside the program: rotation of its logs, settings of its kernel.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::deploy_engine::*;
use crate::harness::*;

#[test]
fn logs_are_rotated_while_requests_come_and_no_line_is_lost() {
    if !has(&["logrotate"]) {
        return;
    }
    let gateway = Gateway::start("routes: [{ match: { path: /* }, respond: { status: 200, body: pong } }]\n");
    let folder = gateway.folder();
    let rules = std::fs::read_to_string(root().join("deploy/logrotate")).unwrap();
    assert!(rules.contains("\n/var/log/wharf/*.log {\n"));
    std::fs::write(folder.join("rules"), rules.replace("/var/log/wharf", folder.to_str().unwrap())).unwrap();
    // systemd's part: the signal goes to the main process
    let systemctl = format!(
        "#!/bin/sh\n[ \"$*\" = 'kill --kill-whom=main --signal=USR1 wharf.service' ] && exec kill -USR1 {}\n",
        gateway.id()
    );
    std::fs::create_dir(folder.join("bin")).unwrap();
    std::fs::write(folder.join("bin/systemctl"), systemctl).unwrap();
    for file in ["bin/systemctl", "rules"] {
        let mode = if file == "rules" { 0o644 } else { 0o755 };
        std::fs::set_permissions(folder.join(file), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750)).unwrap();
    let lines = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default().lines().count();
    let rotate = || {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.join("bin").display());
        done(
            Command::new(program("logrotate").unwrap())
                .args(["--force", "--state"])
                .args([folder.join("state/rotated"), folder.join("rules")])
                .env("PATH", path),
        );
    };
    for n in 0..20 {
        gateway.get(&format!("/first/{n}"));
    }
    eventually(PATIENCE, || (lines("access.log") == 20).then_some(()));
    rotate();
    // those that were written before the signal was heard went to the old file
    for n in 0..20 {
        gateway.get(&format!("/second/{n}"));
    }
    eventually(PATIENCE, || {
        (lines("access.log") > 0 && lines("access.log") + lines("access.log.1") == 40).then_some(())
    });
    rotate();
    gateway.get("/third");
    // the oldest is pressed together by now
    let pressed = done(Command::new("zcat").arg(folder.join("access.log.2.gz")));
    assert!(pressed.contains("/first/0"), "{pressed}");
    eventually(PATIENCE, || {
        (pressed.lines().count() + lines("access.log.1") + lines("access.log") == 41).then_some(())
    });
}

#[test]
fn every_setting_of_the_kernel_is_one_and_has_a_reason() {
    let text = std::fs::read_to_string(root().join("deploy/sysctl.conf")).unwrap();
    let mut reasons = 0;
    let mut settings = 0;
    for line in text.lines() {
        match line.split_once(" = ") {
            _ if line.starts_with('#') => reasons += 1,
            Some((key, value)) => {
                assert!(reasons > 0, "{key} has no reason");
                (reasons, settings) = (0, settings + 1);
                let path = Path::new("/proc/sys").join(key.replace('.', "/"));
                let now = std::fs::read_to_string(&path)
                    .unwrap_or_else(|e| panic!("{key} is no setting of this kernel: {e}"));
                // as many numbers as there are
                let numbers = |text: &str| text.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).count();
                assert_eq!(numbers(value), numbers(&now), "{key}");
            }
            None => assert_eq!(line, ""),
        }
    }
    assert!(settings >= 5, "{settings}");
}

//! What a worker can do with a directory, on the file system of the tests. As root, as `shoald` is.

use super::*;
use rustix::fs::{AtFlags, fstat, mkdirat, statat};
use rustix::io::Errno;
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use shoal_protocol::Task;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use tempfile::TempDir;

/// A user that no system has.
const WORKER: u32 = 4_000_321;
const OWNER: Owner = Owner {
    user: 65532,
    group: 65533,
};

/// A folder with one above and one beside, as its owner on the disk left it.
fn folder() -> (TempDir, PathBuf) {
    let above = tempfile::tempdir().unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(above.path().join("secret"), "s").unwrap();
    let folder = above.path().join("volume");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine"), "mine").unwrap();
    fs::write(folder.join("roots"), "root's").unwrap();
    for (name, mode) in [("mine", 0o600), ("roots", 0o644), ("", 0o770)] {
        let path = folder.join(name);
        let owner = if name == "roots" {
            (0, 0)
        } else {
            (OWNER.user, OWNER.group)
        };
        chown(&path, Some(owner.0), Some(owner.1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    (above, folder)
}

fn program(folder: &Path, read_only: bool) -> Program {
    let component = serde_json::json!({
        "name": "web",
        "capabilities": {"filesystem": [{"volume": "data", "mountPath": "/data", "readOnly": read_only}]},
    });
    let description = serde_json::to_value(shoal_description::Description::default()).unwrap();
    let task: Task = serde_json::from_value(serde_json::json!({
        "id": "web", "pod": "default/web", "component": component, "code": "", "digest": "", "description": description, "role": "run",
    }))
    .unwrap();
    Program {
        task,
        compiled: None,
        volumes: [("data".to_owned(), folder.to_owned())].into(),
        owner: OWNER,
        sandbox: String::new(),
        domain: crate::record::Domain {
            name: String::new(),
            netns: None,
            directories: true,
        },
        port: 0,
        netns: None,
        resolv: String::new(),
        termination_log: None,
    }
}

/// The directory of a program that is granted this folder alone.
fn opened(folder: &Path, read_only: bool) -> OwnedFd {
    open(&program(folder, read_only), WORKER).unwrap().remove(0)
}

/// Does `work` as a worker's user, with nothing of root's.
fn as_worker<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    assert!(
        rustix::process::geteuid().is_root(),
        "these tests change users: run them as root"
    );
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            set_thread_groups(&[]).unwrap();
            set_thread_gid(rustix::fs::Gid::from_raw(WORKER)).unwrap();
            set_thread_uid(rustix::fs::Uid::from_raw(WORKER)).unwrap();
            work()
        });
        working.join().unwrap()
    })
}

fn open_in(folder: &OwnedFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(folder, name, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o640))
}

#[test]
fn its_files_are_the_pods_users_on_the_disk_and_the_workers_in_it() {
    let (_above, path) = folder();
    let folder = &opened(&path, false);
    as_worker(|| {
        open_in(folder, "mine", OFlags::RDWR).unwrap();
        assert_eq!(open_in(folder, "roots", OFlags::RDWR).unwrap_err(), Errno::ACCESS);
        open_in(folder, "roots", OFlags::RDONLY).unwrap();
        let new = open_in(folder, "new", OFlags::RDWR | OFlags::CREATE).unwrap();
        assert_eq!(fstat(&new).unwrap().st_uid, WORKER);
    });
    let new = fs::metadata(path.join("new")).unwrap();
    assert_eq!((new.uid(), new.gid()), (OWNER.user, OWNER.group));
}

#[test]
fn one_that_is_read_only_is_so_for_its_owner_too() {
    let (_above, path) = folder();
    let folder = &opened(&path, true);
    as_worker(|| {
        open_in(folder, "mine", OFlags::RDONLY).unwrap();
        assert_eq!(open_in(folder, "mine", OFlags::RDWR).unwrap_err(), Errno::ROFS);
        assert_eq!(mkdirat(folder, "new", Mode::RWXU).unwrap_err(), Errno::ROFS);
    });
}

#[test]
fn no_path_leads_out_of_it() {
    let (above, path) = folder();
    symlink("../secret", path.join("up")).unwrap();
    fs::create_dir(path.join("below")).unwrap();
    let folder = &opened(&path, false);
    let same = |name: &str| statat(folder, name, AtFlags::empty()).unwrap().st_ino;
    assert!(above.path().join("secret").exists());
    for way in ["..", "../..", "below/../.."] {
        assert_eq!(same(way), fs::metadata(&path).unwrap().ino(), "{way}");
    }
    for way in ["../secret", "up", "below/../../secret"] {
        assert_eq!(
            open_in(folder, way, OFlags::RDONLY).unwrap_err(),
            Errno::NOENT,
            "{way}"
        );
    }
}

#[test]
fn a_volume_that_is_no_folder_or_not_there_is_named() {
    let (_above, path) = folder();
    for name in ["mine", "nothing"] {
        for read_only in [true, false] {
            let error = open(&program(&path.join(name), read_only), WORKER)
                .unwrap_err()
                .to_string();
            let wanted = format!("volume data: cannot open {}: ", path.join(name).display());
            assert!(error.starts_with(&wanted), "{error}");
        }
    }
}

#[test]
fn every_number_is_mapped_once_but_for_the_workers_own() {
    assert_eq!(
        map(65532, 7),
        "65532 7 1\n0 0 7\n8 8 65524\n65533 65533 4294901762\n"
    );
    assert_eq!(map(0, 7), "0 7 1\n1 1 6\n8 8 4294967287\n");
    assert_eq!(map(7, 7), "7 7 1\n0 0 7\n8 8 4294967287\n");
}

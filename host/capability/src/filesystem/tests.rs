//! A guest that tries to get out of its folder, or to write where it may only read. Through the very functions that guests call.

use super::*;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor as _, OpenFlags, PathFlags,
};

/// A folder that is mounted, beside one that is not.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("in/sub")).expect("a folder");
        std::fs::create_dir(root.path().join("out")).expect("a folder");
        std::fs::write(root.path().join("in/file"), "inside").expect("a file");
        std::fs::write(root.path().join("in/sub/file"), "below").expect("a file");
        std::fs::write(root.path().join("out/secret"), "outside").expect("a file");
        Self { root }
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.root.path().join("in").join(path)
    }

    fn outside(&self) -> PathBuf {
        self.root.path().join("out/secret")
    }

    fn guest(&self, read_only: bool) -> Guest {
        Self::guest_of(Folder::Named(self.inside("")), read_only)
    }

    fn guest_of(source: Folder, read_only: bool) -> Guest {
        let mount = Mount {
            source,
            path: "/data".to_owned(),
            read_only,
        };
        let mut guest = Guest {
            context: open(&[mount]).expect("mounted"),
            table: ResourceTable::new(),
            root: 0,
        };
        let mut folders = guest.view().get_directories().expect("folders");
        let (folder, path) = folders.pop().expect("one folder");
        assert_eq!((path.as_str(), folders.len()), ("/data", 0));
        guest.root = folder.rep();
        guest
    }
}

struct Guest {
    context: WasiFilesystemCtx,
    table: ResourceTable,
    root: u32,
}

impl Guest {
    fn view(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }

    fn root(&self) -> Resource<Descriptor> {
        Resource::new_borrow(self.root)
    }

    async fn read(&mut self, path: &str) -> Result<Vec<u8>, ErrorCode> {
        let (root, path) = (self.root(), path.to_owned());
        let follow = PathFlags::SYMLINK_FOLLOW;
        let file = self
            .view()
            .open_at(root, follow, path, OpenFlags::empty(), DescriptorFlags::READ)
            .await
            .map_err(code)?;
        self.view()
            .read(file, 1000, 0)
            .await
            .map(|(bytes, _)| bytes)
            .map_err(code)
    }

    async fn write(&mut self, path: &str) -> Result<(), ErrorCode> {
        let (root, path) = (self.root(), path.to_owned());
        let (follow, flags) = (
            PathFlags::SYMLINK_FOLLOW,
            DescriptorFlags::READ | DescriptorFlags::WRITE,
        );
        let file = self
            .view()
            .open_at(root, follow, path, OpenFlags::CREATE, flags)
            .await
            .map_err(code)?;
        self.view()
            .write(file, b"written".to_vec(), 0)
            .await
            .map(drop)
            .map_err(code)
    }
}

fn code(error: FsError) -> ErrorCode {
    error.downcast().expect("an error that guests see, not a trap")
}

#[tokio::test]
async fn what_is_inside_can_be_read() {
    let place = Place::new();
    symlink("sub/file", place.inside("link")).expect("a link");
    symlink("../in/file", place.inside("sub/../roundabout")).expect("a link");
    let mut guest = place.guest(true);
    for (path, text) in [
        ("file", "inside"),
        ("sub/file", "below"),
        ("sub/../file", "inside"),
        ("link", "below"),
    ] {
        assert_eq!(guest.read(path).await, Ok(text.as_bytes().to_vec()), "{path}");
    }
    assert!(
        guest.read("roundabout").await.is_err(),
        "it leads out, even if back in again"
    );
}

#[tokio::test]
async fn no_path_leads_out() {
    let place = Place::new();
    let outside = place.outside();
    symlink(&outside, place.inside("absolute")).expect("a link");
    symlink("../out/secret", place.inside("relative")).expect("a link");
    symlink("../out", place.inside("folder")).expect("a link");
    symlink("/", place.inside("slash")).expect("a link");
    symlink("relative", place.inside("chain")).expect("a link");
    symlink("../../out/secret", place.inside("sub/deep")).expect("a link");
    symlink("/proc/self/root", place.inside("proc")).expect("a link");
    let absolute = outside.to_str().expect("a path").to_owned();
    for read_only in [true, false] {
        let mut guest = place.guest(read_only);
        let below_slash = format!("slash{absolute}");
        let escapes = [
            "../out/secret",
            "..",
            "sub/../../out/secret",
            "./../out/secret",
            "sub/../..",
            "/etc/passwd",
            absolute.as_str(),
            "absolute",
            "relative",
            "chain",
            "folder/secret",
            "folder",
            "sub/deep",
            below_slash.as_str(),
            "slash/etc/passwd",
            "proc/etc/passwd",
            "//etc/passwd",
            "file/../../out/secret",
        ];
        for path in escapes {
            assert!(guest.read(path).await.is_err(), "{path} was read");
            assert!(guest.write(path).await.is_err(), "{path} was written");
        }
    }
    assert_eq!(std::fs::read_to_string(outside).expect("still there"), "outside");
}

#[tokio::test]
async fn a_link_that_the_guest_makes_does_not_lead_out_either() {
    let place = Place::new();
    let mut guest = place.guest(false);
    let root = guest.root();
    let absolute = guest
        .view()
        .symlink_at(root, "/etc/passwd".into(), "own-absolute".into())
        .await;
    assert!(absolute.is_err(), "an absolute link");
    let root = guest.root();
    // Whether the link itself is refused is wasmtime's choice; that it is of no use is what matters.
    let _ = guest
        .view()
        .symlink_at(root, "../out/secret".into(), "own-relative".into())
        .await;
    assert!(guest.read("own-relative").await.is_err());
    let (root, other) = (guest.root(), guest.root());
    let moved = guest
        .view()
        .rename_at(root, "file".into(), other, "../out/file".into())
        .await;
    assert!(moved.is_err(), "renamed out of the folder");
    let (root, other) = (guest.root(), guest.root());
    let linked = guest
        .view()
        .link_at(
            root,
            PathFlags::empty(),
            "../out/secret".into(),
            other,
            "hard".into(),
        )
        .await;
    assert!(linked.is_err(), "linked into the folder");
    assert!(place.inside("file").exists() && !exists(&place.inside("hard")));
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[tokio::test]
async fn read_only_means_nothing_changes() {
    let place = Place::new();
    let mut guest = place.guest(true);
    assert!(guest.write("file").await.is_err());
    assert!(guest.write("new").await.is_err());
    let root = || Resource::<Descriptor>::new_borrow(guest.root);
    let [a, b, c, d, e, f, g] = std::array::from_fn(|_| root());
    let mut view = guest.view();
    let empty = DescriptorFlags::empty();
    let truncated = view
        .open_at(a, PathFlags::empty(), "file".into(), OpenFlags::TRUNCATE, empty)
        .await
        .err();
    let refusals = [
        ("truncate", truncated),
        ("mkdir", view.create_directory_at(b, "made".into()).await.err()),
        ("rmdir", view.remove_directory_at(c, "sub".into()).await.err()),
        ("unlink", view.unlink_file_at(d, "file".into()).await.err()),
        (
            "symlink",
            view.symlink_at(e, "file".into(), "link".into()).await.err(),
        ),
        (
            "rename",
            view.rename_at(f, "file".into(), g, "other".into()).await.err(),
        ),
    ];
    for (what, refused) in refusals {
        assert!(refused.is_some(), "{what} was allowed");
    }
    assert_eq!(
        std::fs::read_to_string(place.inside("file")).expect("still there"),
        "inside"
    );
    assert!(place.inside("sub").exists() && !exists(&place.inside("new")) && !exists(&place.inside("link")));
}

#[tokio::test]
async fn writing_works_where_it_is_granted() {
    let place = Place::new();
    place.guest(false).write("new").await.expect("written");
    assert_eq!(
        std::fs::read_to_string(place.inside("new")).expect("a file"),
        "written"
    );
}

#[tokio::test]
async fn a_folder_that_somebody_else_opened_is_like_any_other() {
    let place = Place::new();
    let opened = std::fs::File::open(place.inside("")).expect("opened");
    let before = std::env::current_dir().expect("a folder");
    let mut guest = Place::guest_of(Folder::Opened(Arc::new(opened.into())), false);
    assert_eq!(std::env::current_dir().expect("a folder"), before);
    assert_eq!(guest.read("sub/file").await.expect("read"), b"below");
    guest.write("new").await.expect("written");
    assert!(place.inside("new").exists());
    assert_eq!(guest.read("../out/secret").await, Err(ErrorCode::NotPermitted));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let mount = Mount {
        source: Folder::Named("/nowhere/at/all".into()),
        path: "/data".to_owned(),
        read_only: true,
    };
    let error = open(&[mount]).err().expect("no such folder").to_string();
    assert!(
        error.starts_with("capabilities.filesystem: cannot open /nowhere/at/all for mountPath /data: "),
        "{error}"
    );
}

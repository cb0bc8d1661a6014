//! Link options of the program `heraldd` that only some machines have (docs/decisions/0018-build.md).

/// The first version of the GNU C library that starts a program with packed relocations.
const PACKED_RELOCATIONS: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // There, and only there, the linker is lld, which comes with Rust.
    let has_lld = is("TARGET", "x86_64-unknown-linux-gnu");
    if !has_lld || is("PROFILE", "debug") {
        return;
    }
    // Functions of the same machine code become one, if nobody compares their addresses.
    println!("cargo:rustc-link-arg-bins=-Wl,--icf=safe");
    if glibc().is_some_and(|version| version >= PACKED_RELOCATIONS) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of the C library of this machine, which says it of itself in a text; a program runs where there is at
/// least the one it was built with.
fn glibc() -> Option<(u32, u32)> {
    let files = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"];
    let library = files.into_iter().find_map(|file| std::fs::read(file).ok())?;
    let says = b"stable release version ";
    let at = library.windows(says.len()).position(|window| window == says)? + says.len();
    let text = library.get(at..at + 16)?.split(|byte| !byte.is_ascii_digit() && *byte != b'.').next()?;
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once('.')?;
    Some((major.parse().ok()?, minor.trim_end_matches('.').parse().ok()?))
}

//! The one crate with unsafe code. It starts processes as `posix_spawn` does, with cgroup, limits and user set before
//! the program begins: the child uses our memory while the thread that starts it waits, so that a start costs the same
//! in a large process; it makes system calls only, with all signals blocked, and never returns.
#![expect(unsafe_code, reason = "no safe interface starts a process in a cgroup, or hides the environment")]
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::{fd::AsRawFd, fd::BorrowedFd, unix::ffi::OsStrExt};
use std::{io::Error, iter::once, mem::zeroed, ptr::null, ptr::null_mut};

/// A program and what is set before it begins.
pub struct ProcessStart<'a> {
    /// The folder of its cgroup, and `cgroup.procs` in it, open for writing.
    pub cgroup: Option<[BorrowedFd<'a>; 2]>,
    /// Standard input, output and error: none of them 0, 1 or 2.
    pub stdio: [BorrowedFd<'a>; 3],
    /// Resources with soft and hard limit.
    pub limits: &'a [(i32, u64, u64)],
    /// The signals that the caller ignores, from bit 0 for number 1 on: the program ignores none.
    pub ignored: u64,
    /// User, group and all groups.
    pub user: Option<(i64, i64, &'a [u32])>,
    /// Its current directory and its file.
    pub paths: [&'a CStr; 2],
    /// Its arguments, its name first, and its environment.
    pub texts: [&'a [CString]; 2],
}
struct NewProcess<'a>(&'a ProcessStart<'a>, [Vec<*const c_char>; 2], bool, Option<(&'static str, Error)>);

extern "C" fn child(this: *mut c_void) -> c_int {
    // SAFETY: it is the `NewProcess` of `spawn`, which waits. Raw calls where the C library would change all threads.
    unsafe {
        let NewProcess(start, [args, env], placed, failed) = &mut *this.cast::<NewProcess<'_>>();
        let mut step = |name, result: i64| {
            if result < 0 {
                *failed = Some((name, Error::last_os_error()));
                libc::_exit(127);
            }
        };
        // `clone3` has removed all handlers. What the caller ignores is ignored still.
        let reset = if *placed { start.ignored } else { u64::MAX };
        (1..=64).filter(|n| reset >> (n - 1) & 1 == 1).for_each(|n| _ = libc::signal(n, libc::SIG_DFL));
        libc::setpgid(0, 0);
        if let (Some([_, procs]), false) = (start.cgroup, *placed) {
            step("cgroup", libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) as i64);
        }
        for (to, from) in (0..).zip(start.stdio) {
            step("output", libc::dup2(from.as_raw_fd(), to).into());
        }
        // What this process itself inherited is nothing for its jobs. Linux before 5.9 leaves it open.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        for (resource, soft, hard) in start.limits {
            let limit = libc::rlimit64 { rlim_cur: *soft, rlim_max: *hard };
            step("limits", libc::syscall(libc::SYS_prlimit64, 0, *resource, &raw const limit, 0));
        }
        if let Some((user, group, groups)) = start.user {
            step("user", libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()));
            step("user", libc::syscall(libc::SYS_setresgid, group, group, group));
            step("user", libc::syscall(libc::SYS_setresuid, user, user, user));
        }
        step("folder", libc::chdir(start.paths[0].as_ptr()).into());
        libc::sigprocmask(libc::SIG_SETMASK, &zeroed(), null_mut());
        step("program", libc::execve(start.paths[1].as_ptr(), args.as_ptr(), env.as_ptr()).into());
    }
    0
}

/// Starts it as the leader of a process group of its own, and gives its number; the caller waits for its end.
/// # Errors
/// The step that failed, and why: nothing runs.
pub fn spawn(start: &ProcessStart<'_>) -> Result<i32, (&'static str, Error)> {
    let list = |of: &[CString]| of.iter().map(|text| text.as_ptr()).chain(once(null())).collect();
    let (mut this, mut stack) = (NewProcess(start, start.texts.map(list), true, None), vec![0_u128; 4096]);
    let (at, flags) = ((&raw mut this).cast::<c_void>(), libc::CLONE_VM | libc::CLONE_VFORK);
    // SAFETY: what the child uses lives until it runs its program or has ended; it has a stack of its own.
    unsafe {
        let (mut pid, mut how, [mut all, mut old]): (i64, libc::clone_args, [libc::sigset_t; 2]) = zeroed();
        (how.flags, how.exit_signal) = (flags as u64 | 0x1_0000_0000, libc::SIGCHLD as u64);
        (how.stack, how.stack_size) = (stack.as_mut_ptr() as u64, size_of_val(&stack[..]) as u64);
        if let Some([folder, _]) = start.cgroup {
            (how.flags, how.cgroup) = (how.flags | 0x2_0000_0000, folder.as_raw_fd() as u64);
        }
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("syscall", "test rax, rax", "jnz 2f", "mov rdi, r12", "call {}", "2:", sym child,
            in("r12") at, inlateout("rax") libc::SYS_clone3 => pid, in("rdi") &raw const how,
            in("rsi") size_of_val(&how), out("rcx") _, out("r11") _);
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("svc 0", "cbnz x0, 2f", "mov x0, x9", "bl {}", "2:", sym child, in("x9") at,
            in("x8") libc::SYS_clone3, inlateout("x0") &raw const how => pid, in("x1") size_of_val(&how));
        if pid <= 0 {
            (*at.cast::<NewProcess<'_>>()).2 = false;
            pid = libc::clone(child, stack.as_mut_ptr_range().end.cast(), flags | libc::SIGCHLD, at).into();
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, null_mut());
        match (*at.cast::<NewProcess<'_>>()).3.take() {
            Some(failed) if libc::waitpid(pid as i32, null_mut(), 0) as i64 == pid => Err(failed),
            _ if pid < 0 => Err(("process", Error::last_os_error())),
            _ => Ok(pid as i32),
        }
    }
}

/// Hides the values of all other variables in `/proc/PID/environ`; this process sees them as before. To be called
/// before there is a second thread.
pub fn hide_environment(shown: &[&str]) {
    for (name, value) in std::env::vars_os().filter(|(name, _)| shown.iter().all(|shown| name != shown)) {
        let Ok(key) = CString::new(name.as_bytes()) else { continue };
        // SAFETY: there is one thread, and nothing points to the old text once there is a new one.
        unsafe {
            let old = libc::getenv(key.as_ptr());
            std::env::set_var(&name, value);
            if !old.is_null() && old != libc::getenv(key.as_ptr()) {
                libc::memset(old.cast(), 0, libc::strlen(old));
            }
        }
    }
}

/// Ends Git connections whose server is silent for so many milliseconds. To be called while nobody connects. The first
/// call initialises the library, which takes 20 ms and 4 MB.
pub fn limit_git_silence(connect: i32, answer: i32) {
    // SAFETY: nobody connects, so that nobody reads the numbers meanwhile.
    let _ = unsafe { git2::opts::set_server_connect_timeout_in_milliseconds(connect) };
    let _ = unsafe { git2::opts::set_server_timeout_in_milliseconds(answer) };
}

/// The heaps of the GNU C library: there are at most so many for all threads (to be called before there is a second
/// one); without a number, they give back to the system what nothing uses. Other C libraries have one heap.
pub fn heaps(most: Option<i32>) {
    // SAFETY: both calls concern the allocator alone, which locks what it changes.
    #[cfg(target_env = "gnu")]
    let _ = unsafe { most.map_or_else(|| libc::malloc_trim(0), |n| libc::mallopt(libc::M_ARENA_MAX, n)) };
}

/* parallel-glib-exec.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-exec-protocol.h"

#include "parallel-exec-syscalls.h"

/* Stands between GSubprocess and the program of a step, and does what posix_spawn() cannot: a
 * process group, death with the program that runs the steps, working directory, default signals,
 * no stray descriptors. Its arguments and its reports are described in parallel-exec-protocol.h;
 * parallel-spawner.c is the other side.
 *
 * It is started once for every step, so it allocates nothing, needs no C library, and makes no
 * call that is not needed. */

#define N_SIGNALS   64
#define ALL_SIGNALS UINT64_MAX

typedef struct
{
  long   pid;
  char **args;      /* all of the helper's own */
  char **env;
} Helper;

/* The write end does not block. That a start was not reported hardly matters, so a full pipe
 * must not delay it; everything else waits for the other side. */
static void
report (const ParallelExecRecord *record)
{
  for (;;)
    {
      long result = sys_write (PARALLEL_EXEC_REPORT_FD, record, sizeof *record);

      if (result == -EAGAIN && record->kind != PARALLEL_EXEC_STARTED)
        sys_wait_writable (PARALLEL_EXEC_REPORT_FD);
      else if (result != -EINTR)
        return;
    }
}

static void __attribute__ ((noreturn))
fail (const Helper     *helper,
      ParallelExecKind  kind,
      long              error)
{
  ParallelExecRecord record = { .kind = kind, .pid = (int32_t) helper->pid };

  record.number = (uint32_t) error;
  report (&record);
  sys_exit (PARALLEL_EXEC_EXIT_FAILED);
}

static long
parse_number (const char *text)
{
  unsigned long number = 0;

  while (*text >= '0' && *text <= '9')
    number = number * 10 + (unsigned long) (*text++ - '0');

  return (long) number;
}

/* The size of the descriptor table, an upper bound of the descriptors in it. RLIMIT_NOFILE is
 * none, because it can be lowered later, and where it is unlimited counting up to it takes
 * minutes. */
static long
get_table_size (void)
{
  static const char key[] = "\nFDSize:\t";
  char text[2048];
  long fd = sys_open ("/proc/self/status", O_RDONLY);
  long length = fd >= 0 ? sys_read ((int) fd, text, sizeof text - 1) : -1;

  if (fd >= 0)
    sys_close ((int) fd);

  if (length > 0)
    {
      text[length] = '\0';
      for (long i = 0; i < length; i++)
        {
          long j = 0;

          while (key[j] != '\0' && text[i + j] == key[j])
            j++;
          if (key[j] == '\0')
            return parse_number (text + i + j);
        }
    }

  return 65536;
}

/* Leaves 0, 1, 2 and the report pipe, which the program will not see. close_range() needs Linux
 * 5.9, and some containers' seccomp filters refuse what they do not know. */
static void
close_stray_descriptors (long report_fd)
{
  sys_move_to ((int) report_fd, PARALLEL_EXEC_REPORT_FD);

  if (sys_close_range (PARALLEL_EXEC_REPORT_FD + 1, ~0u) < 0)
    {
      long size = get_table_size ();

      for (long fd = PARALLEL_EXEC_REPORT_FD + 1; fd < size; fd++)
        sys_close ((int) fd);
    }
}

/* Asks for death with @parent, which may have died before that. 0 is a parent in another process
 * id namespace. */
static void
die_with_parent (long parent)
{
  long actual;

  sys_prctl (PR_SET_PDEATHSIG, SIGKILL);

  actual = sys_getppid ();
  if (actual != parent && actual != 0)
    sys_exit (PARALLEL_EXEC_EXIT_FAILED);
}

/* A program for another processor is no script either, and what the shell says about it helps
 * nobody. */
static int
looks_like_binary (const char *path)
{
  char magic[4];
  long fd = sys_open (path, O_RDONLY | O_CLOEXEC);
  long length = fd >= 0 ? sys_read ((int) fd, magic, sizeof magic) : -1;

  if (fd >= 0)
    sys_close ((int) fd);

  return length == sizeof magic
         && magic[0] == 0x7f && magic[1] == 'E' && magic[2] == 'L' && magic[3] == 'F';
}

static void __attribute__ ((noreturn))
become_program (const Helper *helper)
{
  static char shell[] = "/bin/sh";
  char **args = helper->args;
  char *program = args[PARALLEL_EXEC_ARG_PROGRAM];
  long result;

  if (args[PARALLEL_EXEC_ARG_CWD][0] != '\0')
    {
      result = sys_chdir (args[PARALLEL_EXEC_ARG_CWD]);
      if (result < 0)
        fail (helper, PARALLEL_EXEC_NO_CWD, -result);
    }

  sys_set_signal_mask (0);

  result = sys_execve (program, args + PARALLEL_EXEC_ARG_ARGV, helper->env);

  if (result != -ENOEXEC || looks_like_binary (program))
    fail (helper, PARALLEL_EXEC_NO_PROGRAM, -result);

  /* As execvp() does. */
  args[PARALLEL_EXEC_ARG_ARGV] = program;
  args[PARALLEL_EXEC_ARG_PROGRAM] = shell;
  result = sys_execve (shell, args + PARALLEL_EXEC_ARG_PROGRAM, helper->env);
  fail (helper, PARALLEL_EXEC_NO_SHELL, -result);
}

static void
report_usage (const Helper        *helper,
              const struct rusage *usage)
{
  ParallelExecRecord record = { .kind = PARALLEL_EXEC_USAGE, .pid = (int32_t) helper->pid };

  record.user_time = (int64_t) usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec;
  record.system_time = (int64_t) usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec;
  record.max_rss = usage->ru_maxrss;
  report (&record);
}

/* Ends as the program ended, so that who waits for the helper sees the program's own status. */
static void __attribute__ ((noreturn))
end_like (const Helper *helper,
          int           status)
{
  if (WIFSIGNALED (status))
    {
      int number = WTERMSIG (status);

      /* The program left the core dump, if any. RLIMIT_CORE would not do: it is ignored when the
       * core goes to a program. */
      sys_prctl (PR_SET_DUMPABLE, 0);
      sys_kill (helper->pid, number);
      sys_set_signal_mask (ALL_SIGNALS & ~((uint64_t) 1 << (number - 1)));
      sys_exit (128 + number);
    }

  sys_exit (WEXITSTATUS (status));
}

/* A process that only this one waits for is the way to its resource use: GLib reaps its own
 * without it. And because it is forked from here, its peak memory is its own, and not what it
 * shared with a big program for the moment of a vfork().
 *
 * All signals are blocked meanwhile: one sent to the group is the program's to handle, and its
 * usage must still be reported. SIGKILL takes both. */
static void __attribute__ ((noreturn))
supervise (const Helper *helper)
{
  struct rusage usage;
  int status = 0;
  long child = sys_fork ();
  long result;

  if (child < 0)
    fail (helper, PARALLEL_EXEC_NO_FORK, -child);

  if (child == 0)
    {
      die_with_parent (helper->pid);
      become_program (helper);
    }

  /* Who reads the program's output must see its end when the program ends. */
  if (sys_close_range (0, 2) < 0)
    {
      for (int fd = 0; fd <= 2; fd++)
        sys_close (fd);
    }

  do
    result = sys_wait4 (child, &status, &usage);
  while (result == -EINTR);

  if (result != child)
    sys_exit (PARALLEL_EXEC_EXIT_FAILED);

  report_usage (helper, &usage);
  end_like (helper, status);
}

static void __attribute__ ((noreturn))
run (int    argc,
     char **argv,
     char **env)
{
  Helper helper = { .pid = sys_getpid (), .args = argv, .env = env };
  ParallelExecRecord started = { .kind = PARALLEL_EXEC_STARTED, .pid = (int32_t) helper.pid };
  const char *mode;

  if (argc <= PARALLEL_EXEC_ARG_ARGV)
    {
      static const char text[] = "parallel-glib-exec: only parallel-glib can start this\n";

      (void) !sys_write (2, text, sizeof text - 1);
      sys_exit (PARALLEL_EXEC_EXIT_FAILED);
    }

  /* Blocked until the program is executed; the thread that started this has them blocked anyway.
   * Handlers are gone since this was executed, but what the parent ignores is still ignored. */
  sys_set_signal_mask (ALL_SIGNALS);
  for (int number = 1; number <= N_SIGNALS; number++)
    sys_reset_signal (number);
  sys_setpgid (0, 0);
  die_with_parent (parse_number (argv[PARALLEL_EXEC_ARG_PARENT]));
  close_stray_descriptors (parse_number (argv[PARALLEL_EXEC_ARG_REPORT_FD]));

  started.number = (uint32_t) parse_number (argv[PARALLEL_EXEC_ARG_NUMBER]);
  report (&started);

  mode = argv[PARALLEL_EXEC_ARG_MODE];
  if (mode[0] != PARALLEL_EXEC_VERSION)
    fail (&helper, PARALLEL_EXEC_NO_PROTOCOL, EPROTO);

  if (mode[1] == PARALLEL_EXEC_MEASURE)
    supervise (&helper);

  become_program (&helper);
}

#ifdef PARALLEL_EXEC_FREESTANDING

void parallel_exec_start (long *stack);

/* Called by _start with what the kernel has put on the stack: argc, argv, NULL, the environment,
 * NULL. */
void __attribute__ ((noreturn, used))
parallel_exec_start (long *stack)
{
  int argc = (int) stack[0];
  char **argv = (char **) (stack + 1);

  run (argc, argv, argv + argc + 1);
}

#else

int
main (int    argc,
      char **argv)
{
  run (argc, argv, environ);
}

#endif

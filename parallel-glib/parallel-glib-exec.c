/* parallel-glib-exec.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-exec.h"

/* Stands between GSubprocess and the program of a step, and does what posix_spawn() cannot: a
 * process group, death with the program that runs the steps, working directory, default signals,
 * no stray descriptors. Its arguments and its reports are described in parallel-exec-protocol.h;
 * parallel-spawner.c is the other side.
 *
 * It is started once for every step, so it allocates nothing, needs no C library, and makes no
 * call that is not needed. */

#define N_SIGNALS 64

#ifdef PARALLEL_EXEC_FREESTANDING

# ifdef __x86_64__
__asm__ (".text\n"
         ".globl _start\n"
         ".type _start, @function\n"
         "_start:\n"
         "  xor %ebp, %ebp\n"
         "  mov %rsp, %rdi\n"
         "  and $-16, %rsp\n"
         "  call parallel_exec_start\n"
         "  hlt\n"
         ".size _start, . - _start\n");
# else
__asm__ (".text\n"
         ".globl _start\n"
         ".type _start, %function\n"
         "_start:\n"
         "  mov x29, #0\n"
         "  mov x30, #0\n"
         "  mov x0, sp\n"
         "  and sp, x0, #-16\n"
         "  bl parallel_exec_start\n"
         "  brk #1\n"
         ".size _start, . - _start\n");
# endif

/* The compiler may call these two for structures, even when told -ffreestanding. The empty asm
 * keeps it from recognising the loops and making each function call itself. */
void *
memset (void   *target,
        int     value,
        size_t  size)
{
  for (size_t i = 0; i < size; i++)
    {
      ((volatile char *) target)[i] = (char) value;
      __asm__ volatile ("");
    }

  return target;
}

void *
memcpy (void       *restrict target,
        const void *restrict source,
        size_t               size)
{
  for (size_t i = 0; i < size; i++)
    {
      ((volatile char *) target)[i] = ((const char *) source)[i];
      __asm__ volatile ("");
    }

  return target;
}

#endif

/* The write end does not block. That a start was not reported hardly matters, so a full pipe
 * must not delay it; everything else waits for the other side. */
void
report (const ParallelExecRecord *record)
{
  for (;;)
    {
      long result = sys_write (PARALLEL_EXEC_REPORT_FD, record, sizeof *record);

      if (result == -EAGAIN && record->kind != PARALLEL_EXEC_STARTED)
        {
          struct pollfd pipe = { PARALLEL_EXEC_REPORT_FD, POLLOUT, 0 };

          sys_poll (&pipe, 1, -1);
        }
      else if (result != -EINTR)
        return;
    }
}

void
fail (const Helper     *helper,
      ParallelExecKind  kind,
      long              error)
{
  ParallelExecRecord record = { .kind = kind, .pid = (int32_t) helper->pid };

  record.number = (uint32_t) error;
  report (&record);
  sys_exit (PARALLEL_EXEC_EXIT_FAILED);
}

long
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

/* close_range() needs Linux 5.9, and some containers' seccomp filters refuse what they do not
 * know. */
void
close_from (unsigned int first,
            unsigned int last)
{
  if (sys_close_range (first, last) < 0)
    {
      long size = last < 1024 ? (long) last + 1 : get_table_size ();

      for (long fd = first; fd < size; fd++)
        sys_close ((int) fd);
    }
}

/* 0 is a parent in another process id namespace. */
void
die_with (long parent,
          int  number)
{
  long actual;

  sys_prctl (PR_SET_PDEATHSIG, number);

  actual = sys_getppid ();
  if (actual != parent && actual != 0)
    sys_exit (PARALLEL_EXEC_EXIT_FAILED);
}

/* Before the program runs, so that nothing that it starts is unguarded. The write end does not
 * block: a guardian that does not read must not stop a step. */
static void
tell_guardian (const Helper *helper)
{
  const char *text = helper->args[PARALLEL_EXEC_ARG_GUARDIAN_FD];
  ParallelExecGroup group = (ParallelExecGroup) helper->pid;

  /* Nor one that has been killed: another will be told of the group by the program. */
  if (text[0] != '-' && sys_write ((int) parse_number (text), &group, sizeof group) == -EPIPE)
    sys_forget_signal (SIGPIPE);
}

/* Leaves 0, 1, 2 and the report pipe, which the program will not see. */
static void
close_stray_descriptors (long report_fd)
{
  sys_move_to ((int) report_fd, PARALLEL_EXEC_REPORT_FD);
  close_from (PARALLEL_EXEC_REPORT_FD + 1, ~0u);
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

static int
is_mark (const char *variable)
{
  static const char name[] = PARALLEL_EXEC_MARK_NAME "=";
  size_t i = 0;

  while (name[i] != '\0' && variable[i] == name[i])
    i++;

  return name[i] == '\0';
}

/* The environment with the mark, in @marked, which has room for it. */
static void
mark_environment (const Helper  *helper,
                  char         **marked)
{
  size_t n = 0;

  for (size_t i = 0; helper->env[i] != NULL; i++)
    {
      if (!is_mark (helper->env[i]))
        marked[n++] = helper->env[i];
    }
  marked[n++] = helper->args[PARALLEL_EXEC_ARG_MARK];
  marked[n] = NULL;
}

void
become_program (const Helper *helper)
{
  static char shell[] = "/bin/sh";
  char **args = helper->args;
  char *program = args[PARALLEL_EXEC_ARG_PROGRAM];
  size_t n_variables = 0;
  char **env;
  long result;

  if (args[PARALLEL_EXEC_ARG_CWD][0] != '\0')
    {
      result = sys_chdir (args[PARALLEL_EXEC_ARG_CWD]);
      if (result < 0)
        fail (helper, PARALLEL_EXEC_NO_CWD, -result);
    }

  while (helper->env[n_variables] != NULL)
    n_variables++;
  env = __builtin_alloca ((n_variables + 2) * sizeof env[0]);
  mark_environment (helper, env);
  sys_set_signal_mask (0);

  result = sys_execve (program, args + PARALLEL_EXEC_ARG_ARGV, env);

  if (result != -ENOEXEC || looks_like_binary (program))
    fail (helper, PARALLEL_EXEC_NO_PROGRAM, -result);

  /* As execvp() does. */
  args[PARALLEL_EXEC_ARG_ARGV] = program;
  args[PARALLEL_EXEC_ARG_PROGRAM] = shell;
  result = sys_execve (shell, args + PARALLEL_EXEC_ARG_PROGRAM, env);
  fail (helper, PARALLEL_EXEC_NO_SHELL, -result);
}

static int
has_mode (const char *modes,
          char        mode)
{
  while (*modes != '\0' && *modes != mode)
    modes++;

  return *modes != '\0';
}

static void __attribute__ ((noreturn))
refuse (void)
{
  static const char text[] = "parallel-glib-exec: only parallel-glib can start this\n";

  (void) !sys_write (2, text, sizeof text - 1);
  sys_exit (PARALLEL_EXEC_EXIT_FAILED);
}

static void __attribute__ ((noreturn))
run (int    argc,
     char **argv,
     char **env)
{
  Helper helper = { .pid = sys_getpid (), .args = argv, .env = env };
  ParallelExecRecord started = { .kind = PARALLEL_EXEC_STARTED, .pid = (int32_t) helper.pid };
  const char *modes;
  int supervised;
  int tree;

  if (argc <= PARALLEL_EXEC_ARG_PARENT)
    refuse ();
  modes = argv[PARALLEL_EXEC_ARG_MODE];
  helper.parent = parse_number (argv[PARALLEL_EXEC_ARG_PARENT]);

  /* Blocked until the program is executed; the thread that started this has them blocked anyway.
   * Handlers are gone since this was executed, but what the parent ignores is still ignored. */
  sys_set_signal_mask (ALL_SIGNALS);
  for (int number = 1; number <= N_SIGNALS; number++)
    sys_reset_signal (number);

  if (modes[0] == PARALLEL_EXEC_VERSION && has_mode (modes, PARALLEL_EXEC_GUARD))
    guard (&helper);
  if (argc <= PARALLEL_EXEC_ARG_ARGV)
    refuse ();

  helper.death = has_mode (modes, PARALLEL_EXEC_POLITE) ? SIGHUP : SIGKILL;
  supervised = has_mode (modes, PARALLEL_EXEC_SUPERVISE);
  tree = has_mode (modes, PARALLEL_EXEC_TREE);

  /* One that supervises has all signals blocked, and its own end tells the program. */
  sys_setpgid (0, 0);
  die_with (helper.parent, tree ? PARALLEL_EXEC_SIGNAL_KILL : supervised ? SIGKILL : helper.death);
  tell_guardian (&helper);
  close_stray_descriptors (parse_number (argv[PARALLEL_EXEC_ARG_REPORT_FD]));

  started.number = (uint32_t) parse_number (argv[PARALLEL_EXEC_ARG_NUMBER]);
  report (&started);

  if (modes[0] != PARALLEL_EXEC_VERSION)
    fail (&helper, PARALLEL_EXEC_NO_PROTOCOL, EPROTO);

  if (supervised || tree)
    supervise (&helper, tree);

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

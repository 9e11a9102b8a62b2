/* shell-options.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

/* The exit statuses; 128 + N for signal N besides. */
#define SHELL_EXIT_FAILURES 1
#define SHELL_EXIT_USAGE    2
#define SHELL_EXIT_SIGNAL   128

/* What the command line says. The strings without "owned" are those of argv. */
typedef struct
{
  guint                max_parallel;     /* 0: the number of processors */
  guint                max_attempts;
  double               timeout;          /* seconds, as the next three; 0: no limit */
  double               silence_timeout;
  double               exit_timeout;
  double               kill_grace;       /* negative: that of the library */
  const char          *term_seq;         /* NULL: that of the library */
  ParallelContainment  containment;
  gboolean             backtraces;
  ParallelOutputMode   output_mode;
  gboolean             hold;
  gboolean             halt_on_error;
  gboolean             progress;
  gboolean             no_run_if_empty;
  char               **launcher;         /* owned; NULL: none */
  char               **slurm;            /* owned: options of salloc; NULL: not on Slurm */
  char               **ssh;              /* owned: options of ssh, and the host; NULL: on this machine */
  double               immediate;        /* seconds that resources are waited for; negative: without limit */

  gboolean             steps;            /* the inputs are shell commands */
  char               **command;          /* owned; NULL with steps */

  char               **inputs;           /* those after ":::", owned; NULL: read */
  const char          *file;             /* where they are read; NULL: the standard input */
  char                 separator;
} ShellOptions;

/* Returns FALSE when there is nothing to run: --help and --version were answered, or an error was
 * reported; then @exit_status is that of the program. */
gboolean shell_options_parse (ShellOptions  *self,
                              int            argc,
                              char         **argv,
                              int           *exit_status);
void     shell_options_clear (ShellOptions  *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShellOptions, shell_options_clear)

/* A message of the command itself on the standard error, a line with its name in front. */
void     shell_message       (const char    *format,
                              ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS

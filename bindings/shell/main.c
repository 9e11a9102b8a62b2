/* main.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include "shell-options.h"
#include "shell-run.h"

/* What a careless caller leaves behind would do harm here or in the library. */
static void
prepare_process (void)
{
  static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

  /* A closed standard descriptor must not become one of our own. In the wrong direction, so that
   * using it is an error still. */
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0)
      open ("/dev/null", modes[fd]);

  /* Who ignores it gets no exit status of any child. */
  signal (SIGCHLD, SIG_DFL);
}

int
main (int    argc,
      char **argv)
{
  g_auto (ShellOptions) options = { 0 };
  int status;

  setlocale (LC_ALL, "");
  prepare_process ();

  if (!shell_options_parse (&options, argc, argv, &status))
    return status;

  return shell_run (&options);
}

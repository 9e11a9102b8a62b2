/* parallel-command-input.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-command-task-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "parallel-step.h"

/* What a command makes of a step: its arguments and its standard input. */

#define PLACEHOLDER "{}"
#define MAX_DESCRIPTION 120     /* bytes */

static gboolean
has_placeholder (ParallelCommandTask *self)
{
  for (guint i = 0; !self->shell && !self->literal && self->argv != NULL && self->argv[i] != NULL; i++)
    if (strstr (self->argv[i], PLACEHOLDER) != NULL)
      return TRUE;

  return FALSE;
}

gboolean
parallel_command_task_check (ParallelTask  *task,
                             const GValue  *input,
                             GError       **error)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (task);

  if (self->argv == NULL || self->argv[0] == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "The command has no program: its argument vector is empty");
      return FALSE;
    }
  if (input == NULL && has_placeholder (self))
    {
      g_autofree char *command = g_strjoinv (" ", self->argv);

      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "The command “%s” has a place for an input, “" PLACEHOLDER "”, but the step has none", command);
      return FALSE;
    }
  if (input != NULL && !g_value_type_transformable (G_VALUE_TYPE (input), G_TYPE_STRING))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "The input of a command must be a string or a number, not of the type %s",
                   G_VALUE_TYPE_NAME (input));
      return FALSE;
    }
  return TRUE;
}

static char *
dup_input (ParallelStep *step)
{
  const GValue *input = parallel_step_get_input (step);
  g_auto (GValue) string = G_VALUE_INIT;

  if (input == NULL)
    return NULL;

  g_value_init (&string, G_TYPE_STRING);
  g_value_transform (input, &string);
  return g_value_get_string (&string) != NULL ? g_value_dup_string (&string) : g_strdup ("");
}

char **
parallel_command_task_dup_argv (ParallelCommandTask *self,
                                ParallelStep        *step)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *input = dup_input (step);
  gboolean replace = has_placeholder (self);

  if (self->launcher_prefix != NULL)
    g_strv_builder_addv (builder, (const char **) self->launcher_prefix);

  for (guint i = 0; self->argv[i] != NULL; i++)
    {
      g_autoptr (GString) argument = g_string_new (self->argv[i]);

      if (replace && input != NULL)
        g_string_replace (argument, PLACEHOLDER, input, 0);
      g_strv_builder_add (builder, argument->str);
    }

  /* "$0" of a command line is the shell's name, "$1" the input. */
  if (self->shell && input != NULL)
    g_strv_builder_add (builder, "sh");
  if (!replace && input != NULL)
    g_strv_builder_add (builder, input);

  return g_strv_builder_end (builder);
}

char *
parallel_command_task_describe (ParallelTask *task,
                                ParallelStep *step)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (task);
  g_auto (GStrv) argv = NULL;
  g_autofree char *joined = NULL;
  g_autofree char *valid = NULL;
  const char *end;

  if (self->argv == NULL || self->argv[0] == NULL)
    return NULL;

  argv = parallel_command_task_dup_argv (self, step);
  joined = g_strjoinv (" ", self->shell ? argv + 2 : argv);
  valid = g_utf8_make_valid (joined, -1);
  if (strlen (valid) <= MAX_DESCRIPTION)
    return g_steal_pointer (&valid);

  end = g_utf8_find_prev_char (valid, valid + MAX_DESCRIPTION);
  return g_strdup_printf ("%.*s…", (int) (end - valid), valid);
}

static gboolean
write_all (int         fd,
           const char *data,
           gsize       length)
{
  while (length > 0)
    {
      gssize n = write (fd, data, length);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          data += n;
          length -= n;
        }
    }
  return TRUE;
}

/* A file in memory and not a pipe: nobody has to feed it, and a program that does not read it
 * raises no SIGPIPE. */
static gboolean
ensure_stdin_file (ParallelCommandTask  *self,
                   GError              **error)
{
  gsize length;
  const char *data = g_bytes_get_data (self->stdin_bytes, &length);
  int fd;

  if (self->stdin_fd >= 0)
    return TRUE;

  fd = memfd_create ("parallel-glib stdin", MFD_CLOEXEC);
  if (fd >= 0 && write_all (fd, data, length))
    {
      self->stdin_fd = fd;
      return TRUE;
    }

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
               "The standard input could not be prepared: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return FALSE;
}

int
parallel_command_task_open_stdin (ParallelCommandTask  *self,
                                  GError              **error)
{
  g_autofree char *link = NULL;
  const char *path = self->stdin_path;
  int fd;

  if (self->stdin_bytes != NULL)
    {
      if (!ensure_stdin_file (self, error))
        return -1;

      /* Opened again, so that each step has a position of its own. */
      path = link = g_strdup_printf ("/proc/self/fd/%d", self->stdin_fd);
    }
  if (path == NULL)
    return -1;

  /* A FIFO without a writer must not stop the engine. */
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0 || fcntl (fd, F_SETFL, 0) < 0)
    {
      int saved_errno = errno;

      if (fd >= 0)
        close (fd);
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                   "The standard input “%s” could not be opened: %s", path, g_strerror (saved_errno));
      return -1;
    }
  return fd;
}

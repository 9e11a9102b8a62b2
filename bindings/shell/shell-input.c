/* shell-input.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-input.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The buffer holds an input of the greatest length with its separator, and more behind it. */
#define BUFFER_SIZE (2 * (SHELL_INPUT_MAX + 1))

struct _ShellInput
{
  char         **strv;            /* what is left of the inputs given; NULL: they are read */

  /* Of those that are read, constant. */
  GInputStream  *stream;
  char          *name;
  char           separator;
  gboolean       skip_comments;

  /* The bytes from start to end were read and not given out; up to scanned there is no separator
   * in them. */
  char          *buffer;
  gsize          start;
  gsize          scanned;
  gsize          end;
  guint64        n_lines;         /* given out or passed over */
  gboolean       at_end;
  GError        *error;           /* of reading, not told yet */
};

ShellInput *
shell_input_new_for_strv (char **inputs)
{
  ShellInput *self = g_rc_box_new0 (ShellInput);

  self->strv = inputs;
  return self;
}

ShellInput *
shell_input_new_for_fd (int         fd,
                        const char *name,
                        char        separator,
                        gboolean    skip_comments)
{
  ShellInput *self = g_rc_box_new0 (ShellInput);

  self->stream = g_unix_input_stream_new (fd, TRUE);
  self->name = g_strdup (name);
  self->separator = separator;
  self->skip_comments = skip_comments;
  self->buffer = g_malloc (BUFFER_SIZE);
  return self;
}

ShellInput *
shell_input_open (const char  *path,
                  char         separator,
                  gboolean     skip_comments,
                  GError     **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  int errsv = errno;
  struct stat info;

  /* A directory can be opened, and would fail only when it is read. */
  if (fd >= 0 && fstat (fd, &info) == 0 && S_ISDIR (info.st_mode))
    {
      close (fd);
      fd = -1;
      errsv = EISDIR;
    }
  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errsv), "%s: %s", path,
                   g_strerror (errsv));
      return NULL;
    }

  return shell_input_new_for_fd (fd, path, separator, skip_comments);
}

ShellInput *
shell_input_ref (ShellInput *self)
{
  return g_rc_box_acquire (self);
}

static void
shell_input_clear (gpointer data)
{
  ShellInput *self = data;

  g_clear_object (&self->stream);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->buffer, g_free);
  g_clear_error (&self->error);
}

void
shell_input_unref (ShellInput *self)
{
  g_rc_box_release_full (self, shell_input_clear);
}

/* What a reader calls a piece of the file. */
static const char *
piece_name (ShellInput *self)
{
  return self->separator == '\n' ? "line" : "input";
}

static gboolean
check_line (ShellInput  *self,
            const char  *line,
            gsize        length,
            GError     **error)
{
  const char *problem = NULL;

  if (length > SHELL_INPUT_MAX)
    problem = "is longer than the 131071 bytes that the system takes";
  else if (self->separator != '\0' && memchr (line, '\0', length) != NULL)
    problem = "has a NUL byte; if the inputs end with NUL, use --null";

  if (problem == NULL)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %s %" G_GUINT64_FORMAT " %s",
               self->name, piece_name (self), self->n_lines, problem);
  return FALSE;
}

static gboolean
is_passed_over (ShellInput *self,
                const char *line,
                gsize       length)
{
  gsize i = 0;

  if (!self->skip_comments)
    return FALSE;

  while (i < length && g_ascii_isspace (line[i]))
    i++;
  return i == length || line[i] == '#';
}

/* Finds the next line in the buffer; at the end of the file it may lack its separator, but what
 * stands before an error is a piece of a line. */
static gboolean
take_line (ShellInput  *self,
           const char **line,
           gsize       *length)
{
  const char *found = NULL;
  gboolean last = self->at_end && self->error == NULL && self->start < self->end;

  if (self->scanned < self->end)
    found = memchr (self->buffer + self->scanned, self->separator, self->end - self->scanned);

  self->scanned = self->end;
  if (found == NULL && !last && self->end - self->start <= SHELL_INPUT_MAX)
    return FALSE;

  *line = self->buffer + self->start;
  *length = found != NULL ? (gsize) (found - *line) : self->end - self->start;
  self->start = MIN (self->start + *length + 1, self->end);
  self->scanned = self->start;
  self->n_lines++;
  return TRUE;
}

static ShellInputResult
next_given (ShellInput  *self,
            char       **text)
{
  if (*self->strv == NULL)
    return SHELL_INPUT_END;

  *text = g_strdup (*self->strv++);
  return SHELL_INPUT_READY;
}

ShellInputResult
shell_input_next (ShellInput  *self,
                  char       **text,
                  GError     **error)
{
  const char *line;
  gsize length;

  if (self->strv != NULL)
    return next_given (self, text);

  while (take_line (self, &line, &length))
    {
      if (!check_line (self, line, length, error))
        return SHELL_INPUT_FAILED;

      if (!is_passed_over (self, line, length))
        {
          *text = g_strndup (line, length);
          return SHELL_INPUT_READY;
        }
    }

  if (self->error != NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&self->error), "%s: ", self->name);
      return SHELL_INPUT_FAILED;
    }

  return self->at_end ? SHELL_INPUT_END : SHELL_INPUT_WAIT;
}

static void
read_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  ShellInput *self = g_task_get_task_data (task);
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &self->error);

  if (n > 0)
    self->end += n;
  else
    self->at_end = TRUE;

  g_task_return_boolean (task, TRUE);
}

void
shell_input_fill_async (ShellInput          *self,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, shell_input_fill_async);
  /* The read may outlive the run: a file system that does not answer cannot be cancelled. */
  g_task_set_task_data (task, shell_input_ref (self), (GDestroyNotify) shell_input_unref);

  memmove (self->buffer, self->buffer + self->start, self->end - self->start);
  self->end -= self->start;
  self->scanned -= self->start;
  self->start = 0;
  g_input_stream_read_async (self->stream, self->buffer + self->end, BUFFER_SIZE - self->end,
                             G_PRIORITY_DEFAULT, cancellable, read_cb, task);
}

void
shell_input_fill_finish (ShellInput   *self,
                         GAsyncResult *result)
{
  g_task_propagate_boolean (G_TASK (result), NULL);
}

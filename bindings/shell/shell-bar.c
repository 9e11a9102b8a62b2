/* shell-bar.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-bar.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Back to the first column, and everything after it erased. */
#define CLEAR_LINE    "\r\033[K"

#define DEFAULT_WIDTH 80
#define MIN_BAR       10
#define MAX_BAR       40

struct _ShellBar
{
  /* Constant. */
  int      fd;
  gint64   started;           /* monotonic time */

  /* Guarded by mutex, which is held while a terminal is written to. */
  GMutex   mutex;
  gboolean shown;
  gboolean in_line;           /* the output ends within a line: no place for a bar */
  gboolean finished;
};

ShellBar *
shell_bar_new (int fd)
{
  ShellBar *self = g_atomic_rc_box_new0 (ShellBar);

  self->fd = fd;
  self->started = g_get_monotonic_time ();
  g_mutex_init (&self->mutex);
  return self;
}

ShellBar *
shell_bar_ref (ShellBar *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
shell_bar_clear (gpointer data)
{
  ShellBar *self = data;

  g_mutex_clear (&self->mutex);
}

void
shell_bar_unref (ShellBar *self)
{
  g_atomic_rc_box_release_full (self, shell_bar_clear);
}

static void
append_duration (GString *text,
                 double   seconds)
{
  guint64 whole = (guint64) seconds;

  if (whole >= 3600)
    g_string_append_printf (text, "%" G_GUINT64_FORMAT ":%02u:%02u", whole / 3600,
                            (guint) (whole / 60 % 60), (guint) (whole % 60));
  else
    g_string_append_printf (text, "%u:%02u", (guint) (whole / 60), (guint) (whole % 60));
}

/* Something like "[####......] ", or nothing where there is no place for it. */
static void
prepend_bar (GString              *text,
             const ShellBarCounts *counts,
             int                   width)
{
  char bar[MAX_BAR + 4];
  int room = MIN (width - (int) text->len - 3, MAX_BAR);
  int full;

  if (room < MIN_BAR || counts->n_total == 0)
    return;

  full = (int) ((double) room * counts->n_done / counts->n_total);
  memset (bar, '.', sizeof bar);
  memset (bar + 1, '#', CLAMP (full, 0, room));
  bar[0] = '[';
  bar[room + 1] = ']';
  bar[room + 2] = ' ';
  g_string_prepend_len (text, bar, room + 3);
}

char *
shell_bar_format (const ShellBarCounts *counts,
                  double                elapsed,
                  int                   width)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint64 n_left = counts->n_total - MIN (counts->n_done, counts->n_total);

  if (counts->stopping)
    g_string_append (text, "stopping: ");
  g_string_append_printf (text, "%" G_GUINT64_FORMAT, counts->n_done);
  if (counts->total_known)
    g_string_append_printf (text, "/%" G_GUINT64_FORMAT, counts->n_total);
  g_string_append_printf (text, " done, %" G_GUINT64_FORMAT " running", counts->n_running);
  if (counts->n_failed > 0)
    g_string_append_printf (text, ", %" G_GUINT64_FORMAT " failed", counts->n_failed);
  g_string_append (text, ", ");

  if (counts->total_known && counts->n_done > 0 && !counts->stopping)
    {
      append_duration (text, elapsed * n_left / counts->n_done);
      g_string_append (text, " left");
    }
  else
    append_duration (text, elapsed);

  if (counts->total_known)
    prepend_bar (text, counts, width);
  if (text->len > (gsize) MAX (width, 0))
    g_string_truncate (text, MAX (width, 0));

  return g_string_free (g_steal_pointer (&text), FALSE);
}

static int
get_width (int fd)
{
  struct winsize size;

  return ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : DEFAULT_WIDTH;
}

/* What a terminal does not take of the bar is no loss. */
static void
write_text (int         fd,
            const char *text)
{
  gssize n;

  do
    n = write (fd, text, strlen (text));
  while (n < 0 && errno == EINTR);
}

/* A terminal that was stopped by Ctrl-S would stop the one who writes to it. */
static gboolean
is_writable (int fd)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

  return poll (&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT) != 0;
}

void
shell_bar_draw (ShellBar             *self,
                const ShellBarCounts *counts)
{
  double elapsed = (double) (g_get_monotonic_time () - self->started) / G_USEC_PER_SEC;
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;

  /* In the last column some terminals begin a new line. */
  text = shell_bar_format (counts, elapsed, get_width (self->fd) - 1);
  line = g_strconcat (CLEAR_LINE, text, NULL);

  /* The writer may be stuck in its terminal. */
  if (!g_mutex_trylock (&self->mutex))
    return;

  if (!self->finished && !self->in_line && is_writable (self->fd))
    {
      write_text (self->fd, line);
      self->shown = TRUE;
    }
  g_mutex_unlock (&self->mutex);
}

static void
hide_locked (ShellBar *self)
{
  if (self->shown)
    write_text (self->fd, CLEAR_LINE);
  self->shown = FALSE;
}

void
shell_bar_finish (ShellBar *self)
{
  if (!g_mutex_trylock (&self->mutex))
    return;

  if (is_writable (self->fd))
    hide_locked (self);
  self->finished = TRUE;
  g_mutex_unlock (&self->mutex);
}

gssize
shell_bar_write (ShellBar   *self,
                 int         fd,
                 const void *data,
                 gsize       length)
{
  gssize n;
  int errsv;

  g_mutex_lock (&self->mutex);
  hide_locked (self);
  n = write (fd, data, length);
  errsv = errno;
  if (n > 0)
    self->in_line = ((const char *) data)[n - 1] != '\n';
  g_mutex_unlock (&self->mutex);

  errno = errsv;
  return n;
}

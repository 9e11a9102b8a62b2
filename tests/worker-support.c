/* worker-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "worker-support.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT (100 * 1024 * 1024)

/* ---- the worker's life ---- */

static void
open_input (Engine *self,
            int    *theirs)
{
  int fds[2];

  if ((self->flags & ENGINE_TERMINAL) != 0)
    {
      self->in = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
      g_assert_cmpint (self->in, >=, 0);
      g_assert_cmpint (grantpt (self->in), ==, 0);
      g_assert_cmpint (unlockpt (self->in), ==, 0);
      *theirs = open (ptsname (self->in), O_RDWR | O_NOCTTY | O_CLOEXEC);
      g_assert_cmpint (*theirs, >=, 0);
      return;
    }

  if ((self->flags & ENGINE_SOCKET) != 0)
    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  else
    g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  *theirs = fds[0];
  self->in = fds[1];
}

static void
start_program (Engine     *self,
               const char *mode,
               const int  *theirs)
{
  /* Rather than the link, which is another program under a checker. */
  g_autofree char *path = g_file_read_link ("/proc/self/exe", NULL);
  const char *argument = (self->flags & ENGINE_ENVIRONMENT) != 0 ? NULL : "--parallel-worker";

  self->pid = fork ();
  g_assert_cmpint (self->pid, >=, 0);
  if (self->pid > 0)
    return;

  for (int i = 0; i < 3; i++)
    dup2 (theirs[i], i);
  /* What this program was given by accident is not to be taken for the worker's. */
  for (int fd = 3; fd < 1024; fd++)
    fcntl (fd, F_SETFD, FD_CLOEXEC);
  /* One that is the program's own, so that what the worker receives has a higher number. */
  dup2 (STDERR_FILENO, 3);
  if (argument == NULL)
    setenv ("PARALLEL_GLIB_WORKER", "1", TRUE);
  alarm (120);
  execl (path, "test-worker", "worker", mode, argument, NULL);
  _exit (127);
}

Engine *
engine_start (const char  *mode,
              EngineFlags  flags)
{
  Engine *self = g_new0 (Engine, 1);
  int out[2];
  int err[2];
  int theirs[3];

  self->flags = flags;
  self->limit = LIMIT;
  memcpy (self->token, "token-of-16-byte", sizeof self->token);
  self->reader = parallel_frame_reader_new (G_MAXUINT32);
  self->claims[0] = self->claims[1] = -1;

  g_assert_true (g_unix_open_pipe (out, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_open_pipe (err, FD_CLOEXEC, NULL));
  if ((flags & ENGINE_CLAIMS) != 0)
    g_assert_cmpint (pipe2 (self->claims, O_CLOEXEC | O_NONBLOCK), ==, 0);
  open_input (self, &theirs[0]);
  theirs[1] = out[1];
  theirs[2] = err[1];
  for (guint i = 0; i < 3 && (flags & ENGINE_NONBLOCKING) != 0; i++)
    g_assert_true (g_unix_set_fd_nonblocking (theirs[i], TRUE, NULL));
  self->out = out[0];
  self->err = err[0];
  start_program (self, mode, theirs);
  for (guint i = 0; i < 3; i++)
    close (theirs[i]);

  return self;
}

Engine *
engine_start_ready (const char  *mode,
                    EngineFlags  flags)
{
  Engine *self = engine_start (mode, flags);
  g_autoptr (GBytes) payload = NULL;
  ParallelFrameReady ready;
  guint descriptors = (flags & ENGINE_CLAIMS) != 0 ? PARALLEL_FRAME_HAS_CLAIMS : 0;

  engine_say_start (self, descriptors);
  payload = engine_expect (self, PARALLEL_FRAME_READY);
  g_assert_true (parallel_frame_parse_ready (payload, &ready, NULL));
  g_assert_cmpuint (ready.pid, ==, self->pid);
  g_assert_cmpuint (ready.descriptors, ==, descriptors);

  return self;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* Frames that nobody expected are a failure; a worker that does not end is stopped by its alarm. */
void
engine_finish (Engine     *self,
               int         expected_status,
               const char *expected_output)
{
  g_autofree char *output = NULL;
  int status = 0;
  guint8 byte;

  close_fd (&self->in);
  if (self->out >= 0)
    g_assert_cmpint (read (self->out, &byte, 1), ==, 0);
  g_assert_cmpuint (parallel_frame_reader_get_pending (self->reader), ==, 0);
  g_assert_cmpint (waitpid (self->pid, &status, 0), ==, self->pid);
  output = engine_look (self);
  if (expected_output != NULL)
    g_assert_cmpstr (output, ==, expected_output);
  g_assert_cmpint (WIFEXITED (status) ? WEXITSTATUS (status) : -WTERMSIG (status), ==, expected_status);

  close_fd (&self->out);
  close_fd (&self->err);
  close_fd (&self->claims[0]);
  close_fd (&self->claims[1]);
  parallel_frame_reader_free (self->reader);
  g_free (self);
}

void
engine_leave (Engine *self,
              guint   expected_left)
{
  g_autoptr (GBytes) payload = NULL;
  ParallelOutcome outcome;

  engine_frame (self, PARALLEL_FRAME_LEAVE, NULL, 0);
  payload = engine_expect (self, PARALLEL_FRAME_LEFT);
  g_assert_true (parallel_frame_parse_outcome (payload, &outcome, NULL));
  g_assert_cmpuint (outcome.kind, ==, expected_left);
}

/* ---- to the worker ---- */

void
engine_write (Engine     *self,
              const void *data,
              gsize       size)
{
  const guint8 *rest = data;

  while (size > 0)
    {
      gssize n = write (self->in, rest, size);

      g_assert_cmpint (n, >, 0);
      rest += n;
      size -= n;
    }
}

static void
send_with_claims (Engine     *self,
                  GByteArray *bytes)
{
  union { struct cmsghdr header; char space[CMSG_SPACE (sizeof (int))]; } control = { .space = { 0 } };
  struct iovec part = { bytes->data, bytes->len };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (header), &self->claims[0], sizeof (int));
  g_assert_cmpint (sendmsg (self->in, &message, 0), ==, bytes->len);
}

void
engine_say_start (Engine *self,
                  guint   descriptors)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  ParallelFrameStart start = { descriptors, self->limit, self->token };

  parallel_frame_put_start (bytes, &start);
  if ((self->flags & ENGINE_CLAIMS) != 0)
    send_with_claims (self, bytes);
  else
    engine_write (self, bytes->data, bytes->len);
}

GBytes *
engine_serialise (GVariant *value)
{
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (value));
  g_autoptr (GVariant) little = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (boxed) : g_variant_ref (boxed);

  return g_variant_get_data_as_bytes (little);
}

void
engine_put_request (GByteArray *requests,
                    guint64     serial,
                    guint       flags,
                    GVariant   *input)
{
  g_autoptr (GBytes) bytes = engine_serialise (input);

  parallel_frame_put_request (requests, serial, flags, g_bytes_get_size (bytes));
  g_byte_array_append (requests, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

void
engine_frame (Engine     *self,
              guint       kind,
              const void *payload,
              gsize       size)
{
  g_autoptr (GByteArray) head = g_byte_array_new ();

  parallel_frame_put_head (head, kind, size);
  engine_write (self, head->data, head->len);
  engine_write (self, payload, size);
}

void
engine_request (Engine   *self,
                guint64   serial,
                guint     flags,
                GVariant *input)
{
  g_autoptr (GByteArray) requests = g_byte_array_new ();

  engine_put_request (requests, serial, flags, input);
  engine_frame (self, PARALLEL_FRAME_RUN, requests->data, requests->len);
}

void
engine_put_claim (Engine  *self,
                  guint64  serial)
{
  guint64 little = GUINT64_TO_LE (serial);

  g_assert_cmpint (write (self->claims[1], &little, sizeof little), ==, sizeof little);
}

/* ---- from the worker ---- */

GBytes *
engine_expect (Engine *self,
               guint   expected_kind)
{
  while (TRUE)
    {
      g_autoptr (GError) error = NULL;
      guint kind = 0;
      GBytes *payload = parallel_frame_reader_take (self->reader, &kind, &error);
      guint8 *place;
      gsize room;
      gssize n;

      g_assert_no_error (error);
      if (payload != NULL)
        {
          g_assert_cmpuint (kind, ==, expected_kind);
          g_assert_cmpuint (g_bytes_get_size (payload), <, self->limit);
          return payload;
        }
      place = parallel_frame_reader_reserve (self->reader, &room);
      n = read (self->out, place, room);
      if (n <= 0)
        g_error ("The worker has gone, and said: %s", engine_look (self));
      parallel_frame_reader_commit (self->reader, n);
    }
}

static void
expect_outcome (Engine           *self,
                guint64           expected_serial,
                GBytes          **payload,
                ParallelOutcome  *outcome)
{
  guint64 serial = 0;

  *payload = engine_expect (self, PARALLEL_FRAME_RESULT);
  g_assert_true (parallel_frame_parse_result (*payload, &serial, outcome, NULL));
  g_assert_cmpuint (serial, ==, expected_serial);
}

static GVariant *
parse (const guint8 *data,
       gsize         size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  /* GVariant would look at each byte of a big one, which takes longer than all else. */
  g_autoptr (GVariant) boxed =
    g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, bytes, size > 1000000));
  g_autoptr (GVariant) swapped = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (boxed) : g_variant_ref (boxed);

  g_assert_true (g_variant_is_normal_form (swapped));

  return g_variant_get_variant (swapped);
}

GVariant *
engine_expect_result (Engine  *self,
                      guint64  serial)
{
  g_autoptr (GBytes) payload = NULL;
  ParallelOutcome outcome;

  expect_outcome (self, serial, &payload, &outcome);
  if (outcome.kind != PARALLEL_OUTCOME_DONE)
    g_error ("Failed: %.*s", (int) outcome.message_size, outcome.message);

  return parse (outcome.data, outcome.size);
}

void
engine_expect_text (Engine     *self,
                    guint64     serial,
                    const char *expected)
{
  g_autoptr (GVariant) result = engine_expect_result (self, serial);

  g_assert_cmpstr (g_variant_get_string (result, NULL), ==, expected);
}

void
check_failed_outcome (const ParallelOutcome *outcome,
                      const char            *message,
                      const char            *domain,
                      int                    code,
                      const char            *whole_message)
{
  g_autofree char *text = g_strndup ((const char *) outcome->message, outcome->message_size);
  g_autoptr (GVariant) details = NULL;
  g_autoptr (GVariant) expected = NULL;

  g_assert_cmpuint (outcome->kind, ==, PARALLEL_OUTCOME_FAILED);
  g_assert_cmpstr (text, ==, message);
  if (domain == NULL)
    return;

  details = parse (outcome->data, outcome->size);
  expected = g_variant_ref_sink (g_variant_new ("(sis)", domain, code, whole_message));
  g_assert_cmpvariant (details, expected);
}

void
engine_expect_failure (Engine     *self,
                       guint64     serial,
                       const char *message,
                       const char *domain,
                       int         code,
                       const char *whole_message)
{
  g_autoptr (GBytes) payload = NULL;
  ParallelOutcome outcome;

  expect_outcome (self, serial, &payload, &outcome);
  check_failed_outcome (&outcome, message, domain, code, whole_message);
}

static void
on_plain (const guint8 *data,
          gsize         size,
          gpointer      user_data)
{
  g_string_append_len (user_data, (const char *) data, size);
}

static void
on_mark (guint64  serial,
         gpointer user_data)
{
  g_string_append_printf (user_data, "<%" G_GUINT64_FORMAT ">", serial);
}

char *
engine_look (Engine *self)
{
  GString *text = g_string_new (NULL);
  ParallelMarkFinder finder = { 0 };
  guint8 buffer[4096];
  gssize n;

  memcpy (finder.token, self->token, sizeof finder.token);
  g_assert_true (g_unix_set_fd_nonblocking (self->err, TRUE, NULL));
  while ((n = read (self->err, buffer, sizeof buffer)) > 0)
    parallel_mark_finder_feed (&finder, buffer, n, on_plain, on_mark, text);
  parallel_mark_finder_end (&finder, on_plain, text);

  return g_string_free (text, FALSE);
}

void
engine_expect_output (Engine     *self,
                      const char *expected)
{
  g_autofree char *output = engine_look (self);

  g_assert_cmpstr (output, ==, expected);
}

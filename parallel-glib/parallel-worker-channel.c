/* parallel-worker-channel.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parallel-fd.h"

/* More than the protocol knows, so that what is not asked for can be told from what is. */
#define MAX_RECEIVED 8

static gboolean
fail (GError     **error,
      const char  *message)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, message);

  return FALSE;
}

static gboolean
fail_errno (GError     **error,
            int          code,
            const char  *doing)
{
  g_set_error (error, G_IO_ERROR,
               code == ECONNRESET ? G_IO_ERROR_BROKEN_PIPE : (int) g_io_error_from_errno (code),
               "%s: %s", doing, g_strerror (code));

  return FALSE;
}

/* ---- the descriptors ---- */

static void
close_received (ParallelWorkerChannel *self)
{
  if (self->received == NULL)
    return;

  for (guint i = 0; i < self->received->len; i++)
    parallel_fd_clear (&g_array_index (self->received, int, i));
  g_clear_pointer (&self->received, g_array_unref);
}

void
parallel_worker_channel_close (ParallelWorkerChannel *self)
{
  parallel_fd_clear (&self->in_fd);
  parallel_fd_clear (&self->out_fd);
  parallel_fd_clear (&self->stream_fd);
  parallel_fd_clear (&self->claims_fd);
  close_received (self);
  g_clear_pointer (&self->reader, parallel_frame_reader_free);
}

static gboolean
is_socket (int fd)
{
  struct stat status;

  return fstat (fd, &status) == 0 && S_ISSOCK (status.st_mode);
}

/* From here on what the program prints to its standard output goes where its standard error does, and
 * it has nothing to read. */
static gboolean
replace_standard_descriptors (GError **error)
{
  int null_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  int code;

  if (null_fd >= 0 && dup2 (null_fd, STDIN_FILENO) >= 0 && dup2 (STDERR_FILENO, STDOUT_FILENO) >= 0)
    {
      if (null_fd != STDIN_FILENO)
        close (null_fd);
      return TRUE;
    }

  code = errno;
  parallel_fd_clear (&null_fd);

  return fail_errno (error, code, "Cannot replace the standard input and output");
}

gboolean
parallel_worker_channel_open (ParallelWorkerChannel  *self,
                              GError                **error)
{
  *self = (ParallelWorkerChannel) { -1, -1, -1, -1 };

  if (isatty (STDIN_FILENO))
    return fail (error, "A worker is started by a runner, which tells it on its standard input what to do; "
                        "here that is a terminal");

  self->in_fd = parallel_fd_duplicate (STDIN_FILENO);
  self->out_fd = parallel_fd_duplicate (STDOUT_FILENO);
  self->stream_fd = parallel_fd_duplicate (STDERR_FILENO);
  if (self->in_fd < 0 || self->out_fd < 0 || self->stream_fd < 0)
    {
      fail_errno (error, errno, "Cannot use the standard input, output and error");
      parallel_worker_channel_close (self);
      return FALSE;
    }
  if (!replace_standard_descriptors (error))
    {
      parallel_worker_channel_close (self);
      return FALSE;
    }

  self->is_socket = is_socket (self->in_fd);
  self->reader = parallel_frame_reader_new (PARALLEL_FRAME_HANDSHAKE_LIMIT);

  return TRUE;
}

/* ---- reading ---- */

/* Whoever shares the other end may have made it non-blocking. */
static void
wait_for (int   fd,
          short events)
{
  struct pollfd pfd = { fd, events, 0 };

  while (poll (&pfd, 1, -1) < 0 && errno == EINTR)
    ;
}

static void
keep_received (ParallelWorkerChannel *self,
               struct msghdr         *message)
{
  self->received = g_array_new (FALSE, FALSE, sizeof (int));

  for (struct cmsghdr *part = CMSG_FIRSTHDR (message); part != NULL; part = CMSG_NXTHDR (message, part))
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
      for (gsize i = 0; i < (part->cmsg_len - CMSG_LEN (0)) / sizeof (int); i++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (part) + i * sizeof (int), sizeof fd);
          /* A number that a standard descriptor left would be inherited by the steps' programs. */
          if (parallel_fd_lift (&fd))
            g_array_append_val (self->received, fd);
          else
            parallel_fd_clear (&fd);
        }
}

/* The first bytes from a socket may bring descriptors. */
static gssize
receive_first (ParallelWorkerChannel *self,
               void                  *place,
               gsize                  room)
{
  union { struct cmsghdr header; char bytes[CMSG_SPACE (MAX_RECEIVED * sizeof (int))]; } control;
  struct iovec part = { place, room };
  struct msghdr message = {
    .msg_iov = &part,
    .msg_iovlen = 1,
    .msg_control = control.bytes,
    .msg_controllen = sizeof control.bytes,
  };
  gssize n = recvmsg (self->in_fd, &message, MSG_CMSG_CLOEXEC);

  if (n > 0)
    keep_received (self, &message);

  return n;
}

static gboolean
read_more (ParallelWorkerChannel  *self,
           GError                **error)
{
  while (TRUE)
    {
      gsize room = 0;
      guint8 *place = parallel_frame_reader_reserve (self->reader, &room);
      gssize n;

      if (self->is_socket && self->received == NULL)
        n = receive_first (self, place, room);
      else
        n = read (self->in_fd, place, room);

      if (n > 0)
        {
          parallel_frame_reader_commit (self->reader, n);
          return TRUE;
        }
      if (n == 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE,
                               "The runner has closed the worker's input, and not told it to leave");
          return FALSE;
        }
      if (errno == EAGAIN)
        wait_for (self->in_fd, POLLIN);
      else if (errno != EINTR)
        return fail_errno (error, errno, "Cannot read what the runner says");
    }
}

GBytes *
parallel_worker_channel_read (ParallelWorkerChannel  *self,
                              guint                  *kind,
                              GError                **error)
{
  while (TRUE)
    {
      GError *local = NULL;
      GBytes *payload = parallel_frame_reader_take (self->reader, kind, &local);

      if (payload != NULL)
        return payload;
      if (local != NULL)
        {
          g_propagate_prefixed_error (error, local, "The runner has said what is not understood: ");
          return NULL;
        }
      if (!read_more (self, error))
        return NULL;
    }
}

/* ---- writing ---- */

/* What @n bytes were written of is skipped. */
static void
skip_written (struct iovec **parts,
              guint         *n_parts,
              gsize          n)
{
  while (*n_parts > 0 && n >= (*parts)->iov_len)
    {
      n -= (*parts)->iov_len;
      (*parts)++;
      (*n_parts)--;
    }
  if (n > 0)
    {
      (*parts)->iov_base = (char *) (*parts)->iov_base + n;
      (*parts)->iov_len -= n;
    }
}

/* 0, or the number of the error. */
static int
write_all (int           fd,
           struct iovec *parts,
           guint         n_parts)
{
  skip_written (&parts, &n_parts, 0);
  while (n_parts > 0)
    {
      gssize n = writev (fd, parts, n_parts);

      if (n >= 0)
        skip_written (&parts, &n_parts, n);
      else if (errno == EAGAIN)
        wait_for (fd, POLLOUT);
      else if (errno != EINTR)
        return errno;
    }

  return 0;
}

/* A write to a runner that has gone must not kill the program, which may want to clean up; but what SIGPIPE does
 * elsewhere, and in the programs that the steps start, is not changed. */
static gboolean
block_sigpipe (sigset_t *previous)
{
  sigset_t pipe_set;

  sigemptyset (&pipe_set);
  sigaddset (&pipe_set, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe_set, previous);

  return sigismember (previous, SIGPIPE) == 0;
}

static void
unblock_sigpipe (const sigset_t *previous,
                 gboolean        may_be_pending)
{
  static const struct timespec no_time = { 0, 0 };
  sigset_t pipe_set;

  sigemptyset (&pipe_set);
  sigaddset (&pipe_set, SIGPIPE);
  while (may_be_pending && sigtimedwait (&pipe_set, NULL, &no_time) < 0 && errno == EINTR)
    ;
  pthread_sigmask (SIG_SETMASK, previous, NULL);
}

gboolean
parallel_worker_channel_write (ParallelWorkerChannel  *self,
                               gboolean                with_mark,
                               guint64                 serial,
                               struct iovec           *parts,
                               guint                   n_parts,
                               GError                **error)
{
  guint8 mark[PARALLEL_FRAME_MARK_SIZE];
  struct iovec mark_part = { mark, sizeof mark };
  guint64 little = GUINT64_TO_LE (serial);
  sigset_t previous;
  gboolean was_open = block_sigpipe (&previous);
  int code = 0;

  memcpy (mark, self->token, sizeof self->token);
  memcpy (mark + sizeof self->token, &little, sizeof little);
  if (with_mark)
    code = write_all (self->stream_fd, &mark_part, 1);
  if (code == 0)
    code = write_all (self->out_fd, parts, n_parts);
  unblock_sigpipe (&previous, was_open && code == EPIPE);

  return code == 0 || fail_errno (error, code, "Cannot answer the runner");
}

/* ---- the handshake ---- */

/* Something between the two may have lost the descriptors: all of them, then. */
static void
assign_received (ParallelWorkerChannel *self,
                 guint                  descriptors)
{
  guint n_expected = ((descriptors & PARALLEL_FRAME_HAS_CLAIMS) != 0) + ((descriptors & PARALLEL_FRAME_HAS_STACKS) != 0);

  if (self->received != NULL && self->received->len == n_expected
      && (descriptors & PARALLEL_FRAME_HAS_CLAIMS) != 0)
    {
      int *fd = &g_array_index (self->received, int, 0);
      int flags = fcntl (*fd, F_GETFL);

      self->claims_fd = *fd;
      *fd = -1;
      if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        fcntl (self->claims_fd, F_SETFL, flags | O_NONBLOCK);
      self->descriptors = PARALLEL_FRAME_HAS_CLAIMS;
    }

  /* Only the first bytes bring any; an empty list says that they have come. */
  close_received (self);
  self->received = g_array_new (FALSE, FALSE, sizeof (int));
}

static gboolean
read_start (ParallelWorkerChannel  *self,
            GError                **error)
{
  guint kind;
  g_autoptr (GBytes) payload = parallel_worker_channel_read (self, &kind, error);
  ParallelFrameStart start;

  if (payload == NULL)
    return FALSE;
  if (kind != PARALLEL_FRAME_START)
    return fail (error, "The first frame is no START");
  if (!parallel_frame_parse_start (payload, &start, error))
    return FALSE;

  assign_received (self, start.descriptors);
  memcpy (self->token, start.token, sizeof self->token);
  self->frame_limit = start.frame_limit;
  parallel_frame_reader_set_limit (self->reader, start.frame_limit);

  return TRUE;
}

gboolean
parallel_worker_channel_greet (ParallelWorkerChannel  *self,
                               GError                **error)
{
  const char *host = g_get_host_name ();
  ParallelFrameReady ready = { .pid = getpid (), .host = host, .host_size = strlen (host) };
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  struct iovec part;

  if (!read_start (self, error))
    {
      g_prefix_error_literal (error, "The program was started as a worker, but what comes on its standard input is "
                                     "not from a runner: ");
      return FALSE;
    }

  ready.descriptors = self->descriptors;
  parallel_frame_put_ready (buffer, &ready);
  part = (struct iovec) { buffer->data, buffer->len };

  return parallel_worker_channel_write (self, FALSE, 0, &part, 1, error);
}

/* ---- claims ---- */

/* 0 if there is none. */
static gboolean
read_claim (ParallelWorkerChannel  *self,
            guint64                *claim,
            GError                **error)
{
  guint64 number = 0;
  gssize n;

  do
    n = read (self->claims_fd, &number, sizeof number);
  while (n < 0 && errno == EINTR);

  *claim = 0;
  if (n < 0 && errno == EAGAIN)
    return TRUE;
  if (n < 0)
    return fail_errno (error, errno, "Cannot read the runner's claims");
  if (n == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "The runner has closed the claims");
      return FALSE;
    }
  if (n < (gssize) sizeof number || number == 0)
    return fail (error, "What comes as claims is not understood");
  *claim = GUINT64_FROM_LE (number);

  return TRUE;
}

gboolean
parallel_worker_channel_claim (ParallelWorkerChannel  *self,
                               guint64                 serial,
                               gboolean               *claimed,
                               GError                **error)
{
  if (self->claims_fd < 0)
    return fail (error, "A request is claimed, without claims");
  if (self->claim == 0 && !read_claim (self, &self->claim, error))
    return FALSE;
  if (self->claim != 0 && self->claim < serial)
    return fail (error, "A claim is of a request that was before");

  *claimed = self->claim == serial;
  if (*claimed)
    self->claim = 0;

  return TRUE;
}

// SPDX-License-Identifier: Apache-2.0
//
// How a session, its store, and clients that resume agree on which samples are
// applied: the protocol's rules (TrainRequest.offset, .takeover and .replica,
// TrainResponse.durable_offset and .epoch) as a model that spin walks through
// whole. Two clients have the same MESSAGES messages to send. Either may find its
// connection broken at any moment, open another and take the session over; the
// server crashes up to CRASHES times and goes on from what was durable.
//
// Held true in every state:
//   - no message is applied twice, none is left out;
//   - what a client was told is durable is never taken back;
//   - a replica's weights are those that the server had at its step, in its
//     epoch. The same step has other bits in another epoch, so `life` keeps in
//     which epoch each step was done;
// and no client waits for ever: each ends with all messages durable, or with no
// connection left that it may open.
//
// Kept small, so that all of it can be walked through, by leaving out what makes
// no difference to what follows:
//   - No message tells a client what is durable. It acts upon that in two places:
//     it ends once all is durable, which it may see at any moment while its stream
//     is the writer's; and with EAGER it begins where the opening's answer says.
//     What it hears late changes nothing, for the store gives up nothing: its next
//     stream's opening tells no less. For the same reason messages that are skipped
//     are not answered but with HELD: no step is in that answer.
//   - `promised` is kept only while it is beyond what is durable.
//   - An opening does not carry the replica's position. The server looks at the
//     replica, which stands still until the opening is answered.
//   - What was sent on a stream that another replaced is thrown away at once, and
//     no more is sent: it would be skipped. The opening of a stream that its client
//     left stays, and may come late, as do samples that a writer sent before.
//   - What a client that has ended had is set to 0, as are `life` and `first_step`
//     of epochs that no replica can ask for any more.
//
// Left out: time, steps of several samples (a message is a step here), what the
// store is inside (tests/server/store), and watchers (their rule is a replica's).
//
// Variants of the clients, for each of which that holds:
//   EAGER            on a new stream they send all again that they don't know to
//                    be durable, not only what the server lacks
//   RESTLESS         they may fetch an anchor at any moment, once a stream
//   HELD             the server holds its answers (TrainOptions.hold_answers) until
//                    their client has said that it has them, they were too many, or
//                    a crash. Whoever is behind in the epoch of its replica sends
//                    again all from there on, and fetches an anchor only where it
//                    is told that something was skipped. An answer that is given
//                    again is the same; and nobody ends without all answers, or an
//                    anchor in their place
//
// Planted faults, one at a time, to see the model fail:
//   ANSWER_EARLY     durable_offset says what is applied
//   KEEP_OLD_STREAM  a stream that was replaced still applies
//   NO_SKIP          what was applied already is applied again
//   NO_RESYNC        replicas are not told that their steps are gone
//   ANY_ANSWER       a replica takes answers of any epoch
//   FROM_ANSWERED    a client goes on from what was answered, not from where the
//                    server stands
//   STUBBORN         a client that was replaced opens no other stream
// and with HELD:
//   HELD_OVER_CRASH  what is held is held in the next epoch too
//   HELD_AS_NOW      a held answer says at which step the session is now
//   HELD_ANEW        a held answer is made anew, as if it were of this epoch's next
//                    step
//   GAP_UNSEEN       a client does not look at what was skipped

#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef OPENINGS
#define OPENINGS 2 /* connections that a client may open */
#endif

#define CLIENTS 2
#define STREAMS (CLIENTS * OPENINGS)
#define NOBODY 255
#define CLIENT_OF(stream) (stream / OPENINGS)

mtype = { opening, samples, opened, refused, answer, replaced };

// The session in the server's memory. A message is one step, so that its count of
// steps is its next_offset.
byte steps;
byte epoch = 1;
byte writer = NOBODY;  // a stream's number

// In the store.
byte durable;
byte first_step[CRASHES + 2];

// What nobody can look at: in which epoch each step was done, as each epoch's
// memory has it; and the most that anybody was told is durable, where that is more
// than the store has.
typedef Life {
  byte step[MESSAGES]
};
Life life[CRASHES + 2];
byte promised;

#ifdef HELD
// Bits of the answer to each message that the session holds; 0: it does not.
byte held[MESSAGES];
#endif

// Of each client, what the server looks at or a crash changes.
byte opens[CLIENTS];             // connections opened so far
byte current[CLIENTS] = NOBODY;  // the stream that it has
byte next[CLIENTS];              // the message that it sends next, from 1; 0: none
bit broken[CLIENTS];             // its stream, by the server's crash
byte replica_step[CLIENTS];
byte replica_epoch[CLIENTS] = 1;  // NOBODY of a client that has ended

// A connection is two pipes. A client that left one looks at it no more, but the
// server still finds there what was sent.
//   up:   what, offset (HELD: and 16 times received_offset), takeover
//   down: what, base_step (`opened`, EAGER: durable_offset), step, epoch, of an answer
//         its bits, for which stands the epoch that the step was done in (`opened`:
//         resync)
chan up[STREAMS] = [2] of { mtype, byte, bit };
chan down[STREAMS] = [3] of { mtype, byte, byte, byte, byte };

#define LEFT(stream) (current[CLIENT_OF(stream)] != stream)

#ifdef HELD
#define AND_RECEIVED + 16 * replica_step[self]
#else
#define AND_RECEIVED
#endif

#ifdef ANSWER_EARLY
#define DURABLE steps
#else
#define DURABLE durable
#endif

inline tell(stream, what, base, bits) {
  tell_of(stream, what, base, steps, bits)
}

// The same of an answer that leads to another step than the session's.
inline tell_of(stream, what, base, to, bits) {
  if
  :: LEFT(stream) -> skip
  :: else ->
    down[stream]!what, base, to, epoch, bits;
    if
    :: DURABLE > durable -> promised = DURABLE
    :: else -> skip
    fi
  fi
}

// The stream's last word.
inline end(stream, what) {
  if
  :: LEFT(stream) -> skip
  :: else -> down[stream]!what, 0, 0, 0, 0
  fi
}

inline drain(stream) {
  do
  :: nempty(up[stream]) -> up[stream]?_, _, _
  :: empty(up[stream]) -> break
  od
}

// What is sent on a stream that was replaced would be skipped.
inline cut(stream) {
#ifdef KEEP_OLD_STREAM
  skip
#else
  if
  :: LEFT(stream) -> skip
  :: else -> next[CLIENT_OF(stream)] = 0
  fi;
  drain(stream)
#endif
}

// Whether a client's replica may go on; into `gone`.
inline look_at_replica(who) {
  gone = (replica_epoch[who] == epoch && replica_step[who] > steps);
  i = replica_epoch[who] + 1;
  do
  :: i <= epoch ->
    if
    :: replica_step[who] > first_step[i] -> gone = 1
    :: else -> skip
    fi;
    i++
  :: else -> break
  od;
  i = 0
#ifdef NO_RESYNC
  ; gone = 0
#endif
}

#ifdef HELD
// Answers to messages before that one are held no longer.
inline let_go(before) {
  i = 0;
  do
  :: i < before -> held[i] = 0; i++
  :: else -> break
  od;
  i = 0
}

#if defined(HELD_AS_NOW)
#define AGAIN(number) steps - 1, steps, held[number]
#elif defined(HELD_ANEW)
#define AGAIN(number) number, number + 1, held[number] + 1
#else
#define AGAIN(number) number, number + 1, held[number]
#endif
#endif

inline crash() {
  assert(durable >= promised);
  // The epoch that ends: as if it had gone on, which leaves its replicas' steps as
  // they are.
  do
  :: steps < MESSAGES -> life[epoch].step[steps] = epoch; steps++
  :: else -> break
  od;
  epoch++;
  steps = durable;
  first_step[epoch] = durable;
  i = 0;
  do
  :: i < durable -> life[epoch].step[i] = life[epoch - 1].step[i]; i++
  :: else -> break
  od;
  writer = NOBODY;
#if defined(HELD) && !defined(HELD_OVER_CRASH)
  let_go(MESSAGES);
#endif
  i = 0;
  do
  :: i < STREAMS -> drain(i); i++
  :: else -> break
  od;
  i = 0;
  do
  :: i < CLIENTS -> broken[i] = current[i] != NOBODY; next[i] = 0; i++
  :: else -> break
  od;
  i = 0;
  forget_epochs()
}

// Nobody asks any more for epochs before those of all replicas.
inline forget_epochs() {
  i = 1;
  do
  :: i <= epoch && i <= replica_epoch[0] && i <= replica_epoch[1] ->
    first_step[i] = 0;
    if
    :: i < epoch && i < replica_epoch[0] && i < replica_epoch[1] ->
      base = 0;
      do
      :: base < MESSAGES -> life[i].step[base] = 0; base++
      :: else -> break
      od;
      base = 0
    :: else -> skip
    fi;
    i++
  :: else -> break
  od;
  i = 0
}

inline take(stream) {
  up[stream]?what, number, takeover;
  if
  :: what == opening && writer != NOBODY && !takeover -> end(stream, refused)
  :: what == opening && (writer == NOBODY || takeover) ->
    if
    :: writer != NOBODY -> end(writer, replaced); cut(writer)
    :: else -> skip
    fi;
    writer = stream;
    if
    :: LEFT(stream) -> skip
    :: else ->
      look_at_replica(CLIENT_OF(stream));
#ifdef EAGER
      tell(stream, opened, DURABLE, gone)
#else
      tell(stream, opened, 0, gone)
#endif
    fi
  :: what == samples ->
#ifndef KEEP_OLD_STREAM
    assert(writer == stream);
#endif
#ifdef HELD
    let_go(number / 16);
    number = number % 16;
#endif
    assert(number <= steps);  // no gap
    if
#ifdef HELD
    :: held[number] -> tell_of(stream, answer, AGAIN(number))
    :: !held[number] && number < steps -> tell(stream, answer, steps, 0)
    :: !held[number] && number == steps ->
#elif defined(NO_SKIP)
    :: steps < MESSAGES ->
#else
    :: number < steps -> skip
    :: number == steps ->
#endif
      assert(number == steps);
      life[epoch].step[steps] = epoch;
#ifdef HELD
      held[steps] = epoch;
#endif
      steps++;
      tell(stream, answer, steps - 1, epoch)
#ifdef NO_SKIP
    :: else -> skip
#endif
    fi
  fi;
  what = 0; number = 0; takeover = 0; gone = 0
}

// A pipe that takes the answer, and those to whom another's is due.
#define ROOM(stream) (LEFT(stream) || len(down[stream]) < 2)
#define TAKES(stream) \
  (nempty(up[stream]) && ROOM(stream) && (writer == NOBODY || ROOM(writer)))

active proctype server() {
  byte i, number, base;
  mtype what;
  bit takeover, gone;
end_server:
  do
  :: d_step { TAKES(0) -> take(0) }
  :: d_step { TAKES(1) -> take(1) }
#if OPENINGS > 1
  :: d_step { TAKES(2) -> take(2) }
  :: d_step { TAKES(3) -> take(3) }
#endif
#if OPENINGS > 2
  :: d_step { TAKES(4) -> take(4) }
  :: d_step { TAKES(5) -> take(5) }
#endif
#if OPENINGS > 3
  :: d_step { TAKES(6) -> take(6) }
  :: d_step { TAKES(7) -> take(7) }
#endif
  :: d_step { durable < steps -> durable = steps; promised = 0 }
  :: d_step { epoch <= CRASHES && durable < MESSAGES -> crash() }
#ifdef HELD
  // The oldest answer, for too much is held.
  :: d_step {
      held[0] || held[MESSAGES - 1] ->
      i = 0;
      do
      :: !held[i] -> i++
      :: else -> break
      od;
      held[i] = 0;
      i = 0
    }
#endif
  // It sees that a client is gone, some time later.
  :: d_step {
      writer != NOBODY && LEFT(writer) && empty(up[writer]) -> writer = NOBODY
    }
  od
}

#define HERE current[self]  /* the stream that a client has */

#ifdef HELD
// What its replica lacks may be held.
#define BEHIND (!bits && of_epoch == replica_epoch[self] && replica_step[self] < step)
#define HAS_ALL (replica_step[self] == MESSAGES)
#else
#define HAS_ALL true
#endif

// The replica is at the server's own step, in its epoch.
inline take_anchor() {
  replica_epoch[self] = epoch;
  replica_step[self] = steps;
  i = 0;
  do
  :: i < steps -> replica[i] = life[epoch].step[i]; i++
  :: i >= steps && i < MESSAGES -> replica[i] = 0; i++
  :: else -> break
  od;
  i = 0
}

inline check_replica() {
  i = 0;
  do
  :: i < replica_step[self] ->
    assert(replica[i] == life[replica_epoch[self]].step[i]);
    i++
  :: else -> break
  od;
  i = 0
}

inline apply_answer() {
#ifndef ANY_ANSWER
  assert(of_epoch != replica_epoch[self] || base <= replica_step[self] ||
         base == step);  // no hole
#endif
  if
#ifdef HELD
  :: base < replica_step[self] && base < step && of_epoch == replica_epoch[self] ->
    assert(bits == replica[base])  // the same again
#ifndef GAP_UNSEEN
  :: base > replica_step[self] && of_epoch == replica_epoch[self] ->
    take_anchor();
    forget_epochs()
#endif
#endif
#ifdef ANY_ANSWER
  :: base == replica_step[self] && base < step ->
#else
  :: base == replica_step[self] && base < step && of_epoch == replica_epoch[self] ->
#endif
    replica[base] = bits;
    replica_step[self]++;
#ifdef FROM_ANSWERED
    answered = step;
#endif
    check_replica()
  :: else -> skip
  fi
}

// The client is between two streams.
inline leave() {
  do
  :: nempty(down[HERE]) -> down[HERE]?_, _, _, _, _
  :: empty(down[HERE]) -> break
  od;
  HERE = NOBODY;
  next[self] = 0;
  broken[self] = 0
#ifdef RESTLESS
  ; fresh = 0
#endif
}

// The client has ended, and its replica with it.
inline finish() {
  i = 0;
  do
  :: i < MESSAGES -> replica[i] = 0; i++
  :: else -> break
  od;
  replica_step[self] = 0;
  replica_epoch[self] = NOBODY;
  opens[self] = 0;
  takeover = 0;
  forget_epochs()
}

proctype client(byte self) {
  byte i;
  byte replica[MESSAGES];
  byte base, step, of_epoch, bits;
  mtype what;
  bit takeover;
#ifdef FROM_ANSWERED
  byte answered;
#endif
#ifdef RESTLESS
  bit fresh;  // no anchor was taken while the stream was open
#endif
  // The second may begin by taking over: an application's other instance.
  if
  :: self == 1 -> takeover = 1
  :: takeover = 0
  fi;
open_stream:
  atomic {
    takeover || writer == NOBODY ->
    HERE = self * OPENINGS + opens[self];
    opens[self]++;
    up[HERE]!opening, 0, takeover;
    takeover = 0
  }
  do
  // What comes down.
  :: atomic {
      HERE != NOBODY && nempty(down[HERE]) ->
      down[HERE]?what, base, step, of_epoch, bits;
      if
      :: what == opened ->
#ifdef RESTLESS
        fresh = 1;
#endif
        if
        :: writer != HERE -> skip
        :: else ->
#ifdef FROM_ANSWERED
          next[self] = answered + 1
#elif defined(EAGER)
          next[self] = base + 1
#else
          next[self] = step + 1
#endif
        fi;
        if
#ifdef HELD
        :: BEHIND ->
          if
          :: next[self] -> next[self] = replica_step[self] + 1
          :: else -> skip
          fi;
          check_replica()
        :: !BEHIND && (bits || replica_step[self] != step) -> take_anchor()
#else
        :: bits || replica_step[self] != step -> take_anchor()
#endif
        :: else -> replica_epoch[self] = of_epoch; check_replica()
        fi;
        forget_epochs()
      :: what == answer -> apply_answer()
      :: what == refused -> leave(); opens[self]--
      :: what == replaced -> leave()
      fi;
      base = 0; step = 0; of_epoch = 0; bits = 0;
      if
      :: what == refused -> what = 0; goto open_stream
#ifndef STUBBORN
      :: what == replaced && opens[self] < OPENINGS -> what = 0; goto open_stream
#else
      :: what == replaced && opens[self] < OPENINGS -> assert(false)
#endif
      :: what == replaced && opens[self] == OPENINGS -> what = 0; finish(); goto over
      :: else -> what = 0
      fi
    }
#ifdef RESTLESS
  // An anchor, whenever it likes.
  :: d_step {
      fresh && nempty(down[HERE]) ->
      take_anchor();
      fresh = 0;
      forget_epochs()
    }
#endif
  // What goes up.
  :: d_step {
      next[self] > 0 && next[self] <= MESSAGES && nfull(up[HERE]) ->
      up[HERE]!samples, next[self] - 1 AND_RECEIVED, 0;
      next[self]++
    }
  // It hears that all is durable.
  :: atomic {
      next[self] > 0 && DURABLE == MESSAGES && HAS_ALL ->
      assert(durable == MESSAGES);
      leave();
      finish();
      goto over
    }
  // The connection breaks, or is seen to have broken.
  :: atomic {
      opens[self] < OPENINGS || broken[self] ->
      leave();
      if
      :: opens[self] < OPENINGS -> takeover = 1; goto open_stream
      :: else -> finish(); goto over
      fi
    }
  od;
over:
  skip
}

init {
  atomic {
    run client(0);
    run client(1)
  }
}

#!/usr/bin/env bash
# rate-limit 1.4.2 for Haskell (libghc-rate-limit-dev, Debian 12): after one action that throws no call works, and the first waits two units.
#
# Guess: rateLimitExecution 1s f gives a function that runs f at most once a second: the first call at once, the second after a
#   second. When f throws, its caller gets the exception, as without the limit, and the next call is as before.
# What happens: one thread runs the actions for all. An exception ends it and is printed to stderr, but reaches no caller: the one who
#   waits gets BlockedIndefinitelyOnMVar, and so does every later call, for the life of the process. rateLimitInvocation, which runs
#   each action in a thread of its own, ends in the same way here. And the first call, though nothing came before, waits for two units.
# Why it matters: one request that fails stops all later ones, with an error that names neither the request nor the limiter. A tool that
#   makes one request starts twice a unit late. Let the action return Either.
# Needs apt-get of Debian 12 on amd64 or arm64, and a C compiler (gcc); installs nothing outside a temporary folder, which takes about
# 800 MB. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libghc-rate-limit-dev=1.4.2-2+b2 ghc=9.0.2-4 libghc-time-units-dev libgmp-dev libgmp10 libffi-dev libffi8 libnuma1 \
  libtinfo6 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do
  dpkg-deb -x "$package" root
  rm "$package"
done
# The compiler and its libraries name the places in which they are installed.
ln -sfn "$folder/root/var/lib/ghc/package.conf.d" root/usr/lib/ghc/package.conf.d
sed -i "s| /usr/| $folder/root/usr/|" root/var/lib/ghc/package.conf.d/*.conf
root/usr/lib/ghc/bin/ghc-pkg --global-package-db "$folder/root/var/lib/ghc/package.conf.d" recache 2>>log

cat >Find.hs <<'HS'
import Control.Exception
import Control.Monad
import Control.RateLimit
import Data.Time.Units
import GHC.Clock
import System.IO

-- How a call ends, and after how many seconds.
timed :: String -> IO a -> IO ()
timed name call = do
  begun <- getMonotonicTime
  result <- try (void call)
  ended <- getMonotonicTime
  let text = either (\failure -> show (failure :: SomeException)) (const "ok") result
  putStrLn (name ++ ": " ++ text ++ ", after " ++ show (round (ended - begun) :: Int) ++ " s")

request :: Bool -> IO ()
request fails = when fails (throwIO (userError "status 503"))

main :: IO ()
main = do
  hSetBuffering stdout LineBuffering
  let unit = fromMicroseconds 2000000 :: Microsecond
  execution <- rateLimitExecution unit request
  timed "execution, first call" (execution False)
  timed "execution, second call" (execution False)
  timed "execution, fails" (execution True)
  forM_ [1, 2 :: Int] $ \number -> timed ("execution, call " ++ show number ++ " after it") (execution False)
  invocation <- rateLimitInvocation unit request
  timed "invocation, first call" (invocation False)
  timed "invocation, fails" (invocation True)
  timed "invocation, call after it" (invocation False)
HS
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name 'libffi.so.8')"):$(dirname "$(find "$folder/root" -name 'libgmp.so.10')")
root/usr/lib/ghc/bin/ghc -B"$folder/root/usr/lib/ghc" -v0 -optl-L"$(dirname "$(find "$folder/root" -name libgmp.a)")" Find.hs -o find
./find | tee output
diff output - <<'EXPECTED'
execution, first call: ok, after 4 s
execution, second call: ok, after 2 s
execution, fails: thread blocked indefinitely in an MVar operation, after 2 s
execution, call 1 after it: thread blocked indefinitely in an MVar operation, after 0 s
execution, call 2 after it: thread blocked indefinitely in an MVar operation, after 0 s
invocation, first call: ok, after 4 s
invocation, fails: thread blocked indefinitely in an MVar operation, after 2 s
invocation, call after it: thread blocked indefinitely in an MVar operation, after 0 s
EXPECTED

# A Rack application for Puma, and what WEBrick does with the same responses. What the paths mean is in acts.js.
require 'json'
require 'securerandom'

LARGE = 104_857_600
LEDGER = ENV.fetch('LEDGER')

def note(line)
  File.open(LEDGER, 'a') { |ledger| ledger.syswrite("#{line}\n") }
end

def first?(key)
  File.open("#{LEDGER}.#{key}", File::CREAT | File::EXCL | File::WRONLY).close
  true
rescue Errno::EEXIST
  false
end

def pieces(name, key, text)
  case name
  when 'chunked' then [text[0, 10], text[10, 10], text[20..]].each { |piece| yield piece }
  when 'events' then (1..3).each { |n| yield "data: #{n}\n\n" }
  when 'large' then (LARGE / 65_536).times { yield 'x' * 65_536 }
  else
    yield name == 'half-events' ? "data: 1\n\n" : 'x' * 500
    note("half #{key}")
    sleep 60
  end
end

# The status, the headers and the body: a text, or a lambda that takes what is to be called with each piece.
def respond(name, key, user, bytes)
  return [503, {}, 'not now'] if name == 'flaky' && first?(key)

  id = SecureRandom.hex(16)
  note("run #{key} #{user} #{id}")
  text = JSON.generate(key: key, user: user, id: id, bytes: bytes)
  case name
  when 'empty' then [200, {}, '']
  when 'no-content' then [204, {}, nil]
  when 'not-modified' then [304, { 'ETag' => '"1"' }, nil]
  when 'chunked', 'events', 'large', /^half-/
    headers = { 'Content-Type' => name.end_with?('events') ? 'text/event-stream' : 'application/octet-stream' }
    headers['Content-Length'] = LARGE.to_s if name.end_with?('large')
    headers['Content-Length'] = '1000' if name == 'half-length'
    [200, headers, ->(&write) { pieces(name, key, text, &write) }]
  else
    sleep 60 if name == 'wait'
    [201, { 'Content-Type' => 'application/json' }, text]
  end
end

require 'webrick'
require_relative 'app'

server = WEBrick::HTTPServer.new(
  BindAddress: '127.0.0.1', Port: ENV.fetch('PORT').to_i, AccessLog: [], Logger: WEBrick::Log.new(File::NULL)
)
# Other methods than those that a servlet has are answered by the same block.
class Act < WEBrick::HTTPServlet::AbstractServlet
  def service(request, response)
    bytes = 0
    request.body { |piece| bytes += piece.bytesize } if request['content-length'] || request['transfer-encoding']
    name = File.basename(request.path)
    status, headers, body = respond(name, request['idempotency-key'] || '-', request['x-user'] || '-', bytes)
    response.status = status
    headers.each { |header, value| response[header] = value }
    return response.body = body.to_s unless body.respond_to?(:call)

    response.chunked = true unless headers['Content-Length']
    response.body = ->(socket) { body.call { |piece| socket.write(piece) } }
  end
end
server.mount('/', Act)
server.start

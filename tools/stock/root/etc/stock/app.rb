require 'socket'
server = TCPServer.new('0.0.0.0', 4567)
Signal.trap('TERM') { exit }
loop do
  link = server.accept
  Thread.new { link.puts "hello from stock, #{link.gets.to_i * 2}"; link.close }
end

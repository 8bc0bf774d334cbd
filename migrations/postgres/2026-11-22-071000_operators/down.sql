DROP TABLE chat_operator;
